"""An Avro schema as text: its canonical form, and the normalized one.

The canonical form is what Apache Avro writes of a schema that it read: what is said once is said at its place, in one
order of members. Normalized, as Confluent's registry does it, the members that Avro gives no meaning to and the aliases
are in the order of their names as well.
"""

from __future__ import annotations

from tidings.registry.compatibility.avro.types import (
    Array,
    AvroSchema,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Props,
    Record,
    Type,
    Union,
)
from tidings.registry.compatibility.json_text import Json, write

_LOGICAL = ("logicalType", "precision", "scale")


def canonical(schema: AvroSchema) -> str:
    return write(_Writer(set(schema.known), is_normalized=False).type(schema.root, ""))


def normalized(schema: AvroSchema) -> str:
    return write(_Writer(set(schema.known), is_normalized=True).type(schema.root, ""))


class _Writer:
    """`named` are the types that need not be written out again."""

    def __init__(self, named: set[str], *, is_normalized: bool) -> None:
        self._named = named
        self._is_normalized = is_normalized

    def type(self, kind: Type, space: str) -> Json:
        match kind:
            case Primitive(name):
                return {"type": name, **self._props(kind.props)} if kind.props else name
            case Array(items):
                return {"type": "array", "items": self.type(items, space), **self._props(kind.props)}
            case Map(values):
                return {"type": "map", "values": self.type(values, space), **self._props(kind.props)}
            case Union(branches):
                return [self.type(branch, space) for branch in branches]
            case Named():
                return self._by_name(kind, space)
        raise AssertionError(kind)

    def _by_name(self, kind: Named, space: str) -> Json:
        if kind.name in self._named:
            return _short(kind.name, space)
        self._named.add(kind.name)
        json: dict[str, Json] = {"type": _type_name(kind), "name": kind.simple_name}
        if kind.namespace != space:
            json["namespace"] = kind.namespace
        if kind.doc is not None and not (self._is_normalized and not kind.doc):
            json["doc"] = kind.doc
        match kind:
            case Record():
                json["fields"] = [self._field(field, kind.namespace) for field in kind.fields]
            case Enum():
                json["symbols"] = kind.symbols
                if kind.default is not None:
                    json["default"] = kind.default
            case Fixed():
                json["size"] = kind.size
        json |= self._props(kind.props)
        if kind.aliases:
            json["aliases"] = [_short(alias, kind.namespace) for alias in self._aliases(kind.aliases)]
        return json

    def _field(self, field: Field, space: str) -> Json:
        json: dict[str, Json] = {"name": field.name, "type": self.type(field.type, space)}
        if field.doc is not None:
            json["doc"] = field.doc
        if field.has_default:
            json["default"] = _sorted(field.default) if self._is_normalized else field.default
        if field.order != "ascending":
            json["order"] = field.order
        if field.aliases:
            json["aliases"] = self._aliases(field.aliases)
        return json | self._props(field.props)

    def _aliases(self, aliases: list[str]) -> list[str]:
        return sorted(set(aliases)) if self._is_normalized else aliases

    def _props(self, props: Props) -> Props:
        """What says how the type is meant comes first."""
        if not self._is_normalized:
            return props
        order = sorted(props, key=lambda key: (_LOGICAL.index(key) if key in _LOGICAL else len(_LOGICAL), key))
        return {key: _sorted(props[key]) for key in order}


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _type_name(kind: Named) -> str:
    match kind:
        case Record(is_error=is_error):
            return "error" if is_error else "record"
        case Enum():
            return "enum"
    return "fixed"


def _short(name: str, space: str) -> str:
    """As it can be written where `space` is meant by default."""
    namespace, _, simple = name.rpartition(".")
    return simple if namespace == space else name
