"""Reads JSON Schemas into nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidings.registry.compatibility.json_schema.documents import Documents, Draft, Place
from tidings.registry.compatibility.json_schema.keywords import (
    ARRAY_KEYWORDS,
    CONDITION_KEYWORDS,
    NUMBER_KEYWORDS,
    OBJECT_KEYWORDS,
    STRING_KEYWORDS,
    check,
)
from tidings.registry.compatibility.json_schema.nodes import (
    NO_DEFAULT,
    Anything,
    ArrayNode,
    BooleanNode,
    CombinedNode,
    ConditionNode,
    ConstNode,
    Criterion,
    EnumNode,
    JsonSchema,
    Node,
    Nothing,
    NotNode,
    NullNode,
    NumberNode,
    ObjectNode,
    ReferenceNode,
    Rest,
    StringNode,
)
from tidings.registry.compatibility.json_text import Json, write
from tidings.registry.compatibility.schema import SchemaError

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def parse(text: str, references: Mapping[str, str] | None = None, *, is_new: bool = True) -> JsonSchema:
    """The schema that `text` is. Raises SchemaError."""
    documents = Documents(text, references or {})
    root = _Reader(documents).read()
    return JsonSchema(root, documents.root.json, sorted(documents.used))


class _Reader:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._waiting: list[tuple[ReferenceNode, str, Place]] = []
        self._nodes: dict[int, Node] = {}
        """By the identity of the JSON that they were read from."""

    def read(self) -> Node:
        """References are followed one after the other, not into one another: a chain of them may be long."""
        root = self._node(self._documents.root)
        followed: list[tuple[ReferenceNode, str, Place]] = []
        while self._waiting:
            reference, ref, place = self._waiting.pop()
            target = self._documents.find(ref, place)
            reference.target = Anything(True) if target is None else self._node(target)
            followed.append((reference, ref, place))
        settled: set[int] = set()
        for reference, ref, place in followed:
            if not _settle(reference, settled):
                raise SchemaError(f"{ref!r} leads back to itself", place.where)
        return root

    def _node(self, place: Place) -> Node:
        json = place.json
        if json is True:
            return Anything(True)
        if json is False:
            return Nothing(False)
        if not isinstance(json, dict):
            raise SchemaError(f"{write(json)[:100]} is no schema: an object, true or false", place.where)
        node = self._nodes.get(id(json))
        if node is None:
            check(json, place.where)
            node = self._nodes[id(json)] = self._combined(place)
        return node

    def _combined(self, place: Place) -> Node:
        json = place.json
        parts = self._parts(place)
        if not parts:
            node: Node = Anything(json)
        elif len(parts) == 1:
            node = parts[0]
        else:
            parts.sort(key=lambda part: not isinstance(part, CombinedNode))
            node = CombinedNode(json, criterion=Criterion.ALL, parts=parts)
        node.id = next((json[key] for key in ("$id", "id") if isinstance(json.get(key), str)), None)
        node.title = json.get("title")
        node.description = json.get("description")
        node.default = json.get("default", NO_DEFAULT)
        node.connect_type = json.get("connect.type")
        return node

    def _parts(self, place: Place) -> list[Node]:
        """One node for each kind of thing that the schema says."""
        json = place.json
        parts: list[Node] = []
        for key in _REFERENCES if place.draft.reads_beside_ref else _REFERENCES[:1]:
            if isinstance(ref := json.get(key), str):
                reference = ReferenceNode({key: ref})
                self._waiting.append((reference, ref, place))
                parts.append(reference)
        if parts and not place.draft.reads_beside_ref:
            return parts[:1]
        rest = dict(json)
        if "enum" in rest:
            values = {write(value, is_sorted=True): value for value in json["enum"]}
            parts.append(EnumNode({"enum": json["enum"]}, values=values))
        for criterion in (Criterion.ANY, Criterion.ALL, Criterion.ONE):
            if criterion in rest:
                inner = [self._inner(place, criterion, index) for index in range(len(json[criterion]))]
                parts.append(CombinedNode({criterion: json[criterion]}, criterion=criterion, parts=inner))
        if "not" in rest:
            parts.append(NotNode({"not": json["not"]}, schema=self._inner(place, "not")))
        if "const" in rest and place.draft > Draft.DRAFT_4:
            parts.append(ConstNode({"const": json["const"]}, value=json["const"]))
        if "type" in rest:
            parts.append(self._typed(place, rest))
        return parts + self._untyped(place, rest)

    def _typed(self, place: Place, rest: dict[str, Json]) -> Node:
        """What `type` says, with the keywords for it, which are taken out of `rest`."""
        said = place.json["type"]
        if isinstance(said, str):
            return self._of_type(said, place, rest)
        left = [dict(rest) for _ in said]
        parts = [self._of_type(name, place, own) for name, own in zip(said, left, strict=True)]
        for key in [key for key in rest if any(key not in own for own in left)]:
            del rest[key]
        return CombinedNode({"type": said}, criterion=Criterion.ANY, parts=parts)

    def _of_type(self, name: str, place: Place, rest: dict[str, Json]) -> Node:
        match name:
            case "string":
                return self._string(place, _take(rest, STRING_KEYWORDS, name))
            case "number" | "integer":
                return self._number(place, _take(rest, NUMBER_KEYWORDS, name))
            case "object":
                return self._object(place, _take(rest, OBJECT_KEYWORDS, name))
            case "array":
                return self._array(place, _take(rest, ARRAY_KEYWORDS, name))
            case "boolean":
                return BooleanNode({"type": name})
        return NullNode({"type": name})

    def _untyped(self, place: Place, rest: dict[str, Json]) -> list[Node]:
        """What is said of values of some type, without asking for that type."""
        kinds: list[tuple[tuple[str, ...], Callable[[Place, dict[str, Json]], Node]]] = [
            (ARRAY_KEYWORDS, self._array),
            (OBJECT_KEYWORDS, self._object),
            (NUMBER_KEYWORDS, self._number),
            (tuple(key for key in STRING_KEYWORDS if key != "format"), self._string),
        ]
        if place.draft > Draft.DRAFT_6:
            kinds.append((CONDITION_KEYWORDS, self._condition))
        return [read(place, _take(rest, keywords)) for keywords, read in kinds if not rest.keys().isdisjoint(keywords)]

    # --- kinds of nodes ---

    def _string(self, place: Place, json: dict[str, Json]) -> Node:
        return StringNode(
            json, length_min=json.get("minLength"), length_max=json.get("maxLength"), pattern=json.get("pattern")
        )

    def _number(self, place: Place, json: dict[str, Json]) -> Node:
        node = NumberNode(json, is_integer=json.get("type") == "integer", multiple_of=json.get("multipleOf"))
        node.minimum, node.maximum = json.get("minimum"), json.get("maximum")
        node.exclusive_minimum = _exclusive(json.get("exclusiveMinimum"), node.minimum)
        node.exclusive_maximum = _exclusive(json.get("exclusiveMaximum"), node.maximum)
        return node

    def _object(self, place: Place, json: dict[str, Json]) -> Node:
        node = ObjectNode(json, size_min=json.get("minProperties"), size_max=json.get("maxProperties"))
        node.properties = self._inner_map(place, json, "properties")
        node.patterns = self._inner_map(place, json, "patternProperties")
        node.additional = self._rest(place, json, "additionalProperties")
        node.unevaluated = self._inner_if(place, json, "unevaluatedProperties")
        node.names = self._inner_if(place, json, "propertyNames")
        node.required = json.get("required", [])
        node.dependent_names = dict(json.get("dependentRequired", {}))
        node.dependent_schemas = self._inner_map(place, json, "dependentSchemas")
        for name, needed in json.get("dependencies", {}).items():
            if isinstance(needed, list):
                node.dependent_names[name] = needed
            else:
                node.dependent_schemas[name] = self._inner(place, "dependencies", name)
        return node

    def _array(self, place: Place, json: dict[str, Json]) -> Node:
        node = ArrayNode(json, size_min=json.get("minItems"), size_max=json.get("maxItems"))
        node.is_unique = json.get("uniqueItems", False)
        node.contains = self._inner_if(place, json, "contains")
        node.contains_min, node.contains_max = json.get("minContains"), json.get("maxContains")
        node.unevaluated = self._inner_if(place, json, "unevaluatedItems")
        tuple_key = next((key for key in ("prefixItems", "items") if isinstance(json.get(key), list)), None)
        if tuple_key is not None:
            node.items = [self._inner(place, tuple_key, index) for index in range(len(json[tuple_key]))]
        rest_key = "items" if tuple_key == "prefixItems" else "additionalItems"
        node.additional = self._rest(place, json, rest_key)
        if tuple_key is None and place.draft is Draft.DRAFT_2020_12 and json.get("items") is False:
            node.additional = Rest(is_allowed=False)
        elif tuple_key is None:
            node.all_items = self._inner_if(place, json, "items")
        return node

    def _condition(self, place: Place, json: dict[str, Json]) -> Node:
        node = ConditionNode(json)
        node.condition = self._inner_if(place, json, "if")
        node.then = self._inner_if(place, json, "then")
        node.otherwise = self._inner_if(place, json, "else")
        return node

    # --- schemas in schemas ---

    def _inner(self, place: Place, *keys: str | int) -> Node:
        return self._node(place.inner(*keys))

    def _inner_if(self, place: Place, json: dict[str, Json], key: str) -> Node | None:
        return self._inner(place, key) if key in json else None

    def _inner_map(self, place: Place, json: dict[str, Json], key: str) -> dict[str, Node]:
        return {name: self._inner(place, key, name) for name in json.get(key, ())}

    def _rest(self, place: Place, json: dict[str, Json], key: str) -> Rest[Node]:
        said = json.get(key, True)
        if isinstance(said, bool):
            return Rest(is_allowed=said)
        schema = self._inner(place, key)
        return Rest() if isinstance(schema, Anything) else Rest(schema=schema)


def _take(rest: dict[str, Json], keywords: tuple[str, ...], type_name: str = "") -> dict[str, Json]:
    taken = {key: rest.pop(key) for key in keywords if key in rest}
    rest.pop("type", None)
    return {"type": type_name, **taken} if type_name else taken


def _exclusive(said: Json, limit: Json) -> Json:
    """Draft 4 says whether the limit is outside; later drafts give a limit of its own."""
    if isinstance(said, bool):
        return limit if said else None
    return said


def _settle(reference: ReferenceNode, settled: set[int]) -> bool:
    """Lets `reference`, and those it leads to, refer to what is at the end. False if there is no end."""
    chain: list[ReferenceNode] = []
    seen: set[int] = set()
    node: Node | None = reference
    while isinstance(node, ReferenceNode) and id(node) not in settled:
        if id(node) in seen:
            return False
        seen.add(id(node))
        chain.append(node)
        node = node.target
    for link in chain:
        link.target = node.target if isinstance(node, ReferenceNode) else node
    settled |= seen
    return True
