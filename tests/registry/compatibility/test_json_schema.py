"""JSON Schema: what was valid for the writer must be valid for the reader."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import hypothesis.strategies as st
import jsonschema_rs
import pytest
from hypothesis import given, settings
from tests.registry.compatibility.asking import Asking

from tidings.registry.compatibility.json_schema.matching import largest_matching
from tidings.registry.compatibility.json_schema.reserved import diff_reserved, reserved_names
from tidings.registry.compatibility.levels import Level
from tidings.registry.compatibility.schema import SchemaError

JSON = Asking("JSON")
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
NEWEST = "https://json-schema.org/draft/2020-12/schema"

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def opened(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def partly(rest: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": rest}


def limit(kind: str, keyword: str, *, upper: bool, of: str) -> list[tuple[Any, ...]]:
    """A limit that comes, goes, grows and shrinks; each change is told in both directions."""
    name = keyword
    plain, low, high = {"type": of}, {"type": of, keyword: 2}, {"type": of, keyword: 4}
    return [
        (f"{name} is new", plain, low, {f"{kind}_ADDED #/{keyword}"}, False, True),
        (f"{name} grows", low, high, {f"{kind}_INCREASED #/{keyword}"}, upper, not upper),
    ]


TUPLE = {"type": "array", "items": [TEXT]}
LONGER = {"type": "array", "items": [TEXT, NUMBER]}
SHUT = {"additionalItems": False}

# What changes, from what, to what, the changes, whether new readers go on, and whether old ones do.
CASES: list[tuple[Any, ...]] = [
    ("nothing", opened(a=TEXT), opened(a=TEXT), set(), True, True),
    ("a title", {"title": "a"}, {"title": "b"}, {"TITLE_CHANGED #/"}, True, True),
    ("a description", {"description": "a"}, {}, {"DESCRIPTION_CHANGED #/"}, True, True),
    ("an id", {"$id": "a"}, {"$id": "b"}, {"ID_CHANGED #/"}, True, True),
    ("a default", {"default": 1}, {"default": True}, {"DEFAULT_CHANGED #/"}, True, True),
    ("a type", TEXT, NUMBER, {"TYPE_CHANGED #/"}, False, False),
    ("everything is allowed", TEXT, {}, set(), True, False),
    ("nothing was allowed", False, TEXT, set(), True, False),
    ("whole numbers become numbers", WHOLE, NUMBER, {"TYPE_EXTENDED #/"}, True, False),
    *limit("MAX_LENGTH", "maxLength", upper=True, of="string"),
    *limit("MIN_LENGTH", "minLength", upper=False, of="string"),
    *limit("MAXIMUM", "maximum", upper=True, of="number"),
    *limit("MINIMUM", "minimum", upper=False, of="number"),
    *limit("EXCLUSIVE_MAXIMUM", "exclusiveMaximum", upper=True, of="number"),
    *limit("EXCLUSIVE_MINIMUM", "exclusiveMinimum", upper=False, of="number"),
    *limit("MAX_ITEMS", "maxItems", upper=True, of="array"),
    *limit("MIN_ITEMS", "minItems", upper=False, of="array"),
    *limit("MAX_CONTAINS", "maxContains", upper=True, of="array"),
    *limit("MIN_CONTAINS", "minContains", upper=False, of="array"),
    *limit("MAX_PROPERTIES", "maxProperties", upper=True, of="object"),
    *limit("MIN_PROPERTIES", "minProperties", upper=False, of="object"),
    ("a pattern is new", TEXT, {**TEXT, "pattern": "a"}, {"PATTERN_ADDED #/pattern"}, False, True),
    (
        "another pattern",
        {**TEXT, "pattern": "a"},
        {**TEXT, "pattern": "a|b"},
        {"PATTERN_CHANGED #/pattern"},
        False,
        False,
    ),
    ("multiples are new", NUMBER, {**NUMBER, "multipleOf": 2}, {"MULTIPLE_OF_ADDED #/multipleOf"}, False, True),
    (
        "smaller steps",
        {**NUMBER, "multipleOf": 10},
        {**NUMBER, "multipleOf": 5},
        {"MULTIPLE_OF_REDUCED #/multipleOf"},
        True,
        False,
    ),
    (
        "steps that are fractions",
        {**NUMBER, "multipleOf": 0.3},
        {**NUMBER, "multipleOf": 0.1},
        {"MULTIPLE_OF_REDUCED #/multipleOf"},
        True,
        False,
    ),
    (
        "other steps",
        {**NUMBER, "multipleOf": 2},
        {**NUMBER, "multipleOf": 3},
        {"MULTIPLE_OF_CHANGED #/multipleOf"},
        False,
        False,
    ),
    (
        "the same step in other words",
        {**NUMBER, "multipleOf": 1},
        '{"type":"number","multipleOf":1.0}',
        set(),
        True,
        True,
    ),
    ("a value more", {"enum": [1, 2]}, {"enum": [2, 1, 3]}, {"ENUM_ARRAY_EXTENDED #/enum"}, True, False),
    ("other values", {"enum": [1, 2]}, {"enum": [1, 3]}, {"ENUM_ARRAY_CHANGED #/enum"}, False, False),
    ("true is not one", {"enum": [1]}, {"enum": [True]}, {"ENUM_ARRAY_CHANGED #/enum"}, False, False),
    ("another constant", {"const": 1}, {"const": 2}, {"ENUM_ARRAY_CHANGED #/const"}, False, False),
    # --- properties ---
    (
        "a property of an open model is new",
        opened(),
        opened(a=TEXT),
        {"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a"},
        False,
        True,
    ),
    (
        "a property that may be anything is new",
        opened(),
        opened(a=True),
        {"PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a"},
        True,
        True,
    ),
    (
        "a required property of an open model is new",
        opened(),
        {**opened(a=TEXT), "required": ["a"]},
        {"REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a"},
        False,
        True,
    ),
    (
        "a property that may be anything is new and required",
        opened(),
        {**opened(a=True), "required": ["a"]},
        {"REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a"},
        False,
        True,
    ),
    (
        "a property of a closed model is new",
        closed(),
        closed(a=TEXT),
        {"OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"},
        True,
        False,
    ),
    (
        "a required property of a closed model is new",
        closed(),
        {**closed(a=TEXT), "required": ["a"]},
        {"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"},
        False,
        False,
    ),
    (
        "a required property with a default is new",
        closed(),
        {**closed(a={**TEXT, "default": ""}), "required": ["a"]},
        {"REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"},
        True,
        False,
    ),
    (
        "a property that nobody can have is new",
        closed(),
        closed(a=False),
        {"OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a"},
        True,
        True,
    ),
    (
        "a property is new that others could be",
        partly(TEXT),
        partly(TEXT, a=TEXT),
        {
            "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
            "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a",
        },
        True,
        True,
    ),
    (
        "a property is new that others could not be",
        partly(TEXT),
        partly(TEXT, a=NUMBER),
        {
            "TYPE_CHANGED #/properties/a",
            "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/a",
            "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a",
        },
        False,
        False,
    ),
    (
        "a property is new that a pattern is of",
        {**closed(), "patternProperties": {"^n_": WHOLE}},
        {**closed(n_1=NUMBER), "patternProperties": {"^n_": WHOLE}},
        {
            "TYPE_EXTENDED #/properties/n_1",
            "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/n_1",
            "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/n_1",
        },
        True,
        False,
    ),
    (
        "a property is new beside patterns of an open model",
        {**opened(), "patternProperties": {"^n_": WHOLE}},
        {**opened(a=TEXT), "patternProperties": {"^n_": WHOLE}},
        {"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a"},
        False,
        True,
    ),
    (
        "a property is gone that a pattern is of which nobody can read",
        {**opened(n_1=WHOLE), "patternProperties": {"(?!x)n": WHOLE}},
        {**opened(), "patternProperties": {"(?!x)n": WHOLE}},
        None,
        False,
        False,
    ),
    (
        "a pattern of an open model is new",
        opened(),
        {**opened(), "patternProperties": {"^n_": WHOLE}},
        {"PATTERN_PROPERTY_ADDED #/patternProperties/^n_"},
        False,
        True,
    ),
    (
        "a pattern of a closed model is new",
        closed(),
        {**closed(), "patternProperties": {"^n_": WHOLE}},
        {"PATTERN_PROPERTY_ADDED_WITHIN #/patternProperties/^n_"},
        True,
        False,
    ),
    (
        "a pattern is new that does not allow what a property did",
        closed(n_1=TEXT),
        {**closed(n_1=TEXT), "patternProperties": {"^n_": WHOLE}},
        {"PATTERN_PROPERTY_ADDED #/patternProperties/^n_"},
        False,
        False,
    ),
    (
        "a pattern says the same as is said of others",
        partly(WHOLE),
        {**partly(WHOLE), "patternProperties": {"^n_": WHOLE}},
        {"PATTERN_PROPERTY_ADDED_WITHIN #/patternProperties/^n_"},
        True,
        True,
    ),
    (
        "what a pattern says",
        {**closed(), "patternProperties": {"^n_": WHOLE}},
        {**closed(), "patternProperties": {"^n_": NUMBER}},
        {"TYPE_EXTENDED #/patternProperties/^n_"},
        True,
        False,
    ),
    (
        "a property becomes required",
        opened(a=TEXT),
        {**opened(a=TEXT), "required": ["a"]},
        {"REQUIRED_ATTRIBUTE_ADDED #/required/a"},
        False,
        True,
    ),
    (
        "others are allowed",
        closed(),
        opened(),
        {"ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"},
        True,
        False,
    ),
    (
        "others must be something",
        opened(),
        partly(TEXT),
        {"ADDITIONAL_PROPERTIES_NARROWED #/additionalProperties"},
        False,
        True,
    ),
    ("anything is asked of others", opened(), partly({}), set(), True, True),
    (
        "a property changes in an object in an object",
        closed(a=closed(b=TEXT)),
        closed(a=closed(b=NUMBER)),
        {"TYPE_CHANGED #/properties/a/properties/b"},
        False,
        False,
    ),
    (
        "names depend on others",
        {"dependencies": {"a": ["b"]}},
        {"dependencies": {"a": ["b", "c"]}},
        {"DEPENDENCY_ARRAY_EXTENDED #/dependencies/a"},
        False,
        True,
    ),
    (
        "names depend on different ones",
        {"dependencies": {"a": ["b"]}},
        {"dependencies": {"a": ["c"]}},
        {"DEPENDENCY_ARRAY_CHANGED #/dependencies/a"},
        False,
        False,
    ),
    (
        "names begin to depend on others",
        {"dependencies": {}},
        {"dependencies": {"a": ["b"]}},
        {"DEPENDENCY_ARRAY_ADDED #/dependencies/a"},
        False,
        True,
    ),
    (
        "a schema begins to depend on a name",
        {"dependencies": {}},
        {"dependencies": {"a": opened()}},
        {"DEPENDENCY_SCHEMA_ADDED #/dependencies/a"},
        False,
        True,
    ),
    (
        "names of properties",
        opened(),
        {**opened(), "propertyNames": {"maxLength": 3}},
        {"PROPERTY_NAMES_ADDED #/propertyNames"},
        False,
        True,
    ),
    # --- arrays ---
    (
        "items of another type",
        {"type": "array", "items": TEXT},
        {"type": "array", "items": NUMBER},
        {"TYPE_CHANGED #/items"},
        False,
        False,
    ),
    ("a tuple of an open model grows", TUPLE, LONGER, {"ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/1"}, False, True),
    (
        "a tuple of a closed model grows",
        TUPLE | SHUT,
        LONGER | SHUT,
        {"ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"},
        True,
        False,
    ),
    (
        "a tuple grows by what the rest could be",
        {**TUPLE, "additionalItems": NUMBER},
        {**LONGER, "additionalItems": NUMBER},
        {"ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/items/1"},
        True,
        True,
    ),
    (
        "an item of a tuple is another",
        TUPLE,
        {"type": "array", "items": [NUMBER]},
        {"TYPE_CHANGED #/items/0"},
        False,
        False,
    ),
    ("other items are allowed", TUPLE | SHUT, TUPLE, {"ADDITIONAL_ITEMS_ADDED #/additionalItems"}, True, False),
    (
        "each item once",
        {"type": "array"},
        {"type": "array", "uniqueItems": True},
        {"UNIQUE_ITEMS_ADDED #/uniqueItems"},
        False,
        True,
    ),
    (
        "an item must be there",
        {"type": "array"},
        {"type": "array", "contains": TEXT},
        {"CONTAINS_ADDED #/contains"},
        False,
        True,
    ),
    # --- combinations ---
    ("a type more", {"type": ["string"]}, {"type": ["string", "null"]}, {"SUM_TYPE_EXTENDED #/"}, True, False),
    ("one becomes one of several", TEXT, {"oneOf": [NUMBER, TEXT]}, {"SUM_TYPE_EXTENDED #/"}, True, False),
    (
        "a schema more to choose from",
        {"anyOf": [TEXT]},
        {"anyOf": [NUMBER, TEXT]},
        {"SUM_TYPE_EXTENDED #/"},
        True,
        False,
    ),
    ("a schema more that must hold", {"allOf": [NUMBER]}, {"allOf": [NUMBER, {"maximum": 3}]}, None, False, True),
    ("schemas in another order", {"oneOf": [NUMBER, TEXT]}, {"oneOf": [TEXT, NUMBER]}, set(), True, True),
    (
        "a choice that allows more",
        {"oneOf": [TEXT, WHOLE]},
        {"oneOf": [NUMBER, TEXT]},
        {"TYPE_EXTENDED #/oneOf/1"},
        True,
        False,
    ),
    (
        "a choice that is another",
        {"oneOf": [TEXT, WHOLE]},
        {"oneOf": [TEXT, {"type": "boolean"}]},
        {"COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"},
        False,
        False,
    ),
    (
        "one of becomes any of",
        {"oneOf": [TEXT, NUMBER]},
        {"anyOf": [TEXT, NUMBER]},
        {"COMBINED_TYPE_EXTENDED #/"},
        True,
        False,
    ),
    ("all of becomes one", {"allOf": [TEXT, {"maxLength": 3}]}, TEXT, {"PRODUCT_TYPE_NARROWED #/"}, True, False),
    ("any of one is that one", {"anyOf": [TEXT]}, TEXT, set(), True, True),
    ("less is forbidden", {"not": NUMBER}, {"not": WHOLE}, {"NOT_TYPE_NARROWED #/not"}, True, False),
    ("the same is forbidden", {"not": NUMBER}, {"not": NUMBER}, set(), True, True),
    (
        "another condition",
        {"if": TEXT, "then": True},
        {"if": NUMBER, "then": True},
        {"CONDITION_CHANGED #/if"},
        False,
        False,
    ),
    # --- references and drafts ---
    ("a schema is given a name", TEXT, {"$ref": "#/definitions/t", "definitions": {"t": TEXT}}, set(), True, True),
    (
        "what a reference means",
        {"items": {"$ref": "#/definitions/t"}, "definitions": {"t": TEXT}},
        {"items": {"$ref": "#/definitions/t"}, "definitions": {"t": NUMBER}},
        {"TYPE_CHANGED #/items"},
        False,
        False,
    ),
    (
        "a limit that draft 4 puts outside",
        {"$schema": "http://json-schema.org/draft-04/schema#", **NUMBER, "maximum": 3, "exclusiveMaximum": True},
        {"$schema": "http://json-schema.org/draft-04/schema#", **NUMBER, "maximum": 3},
        {"EXCLUSIVE_MAXIMUM_REMOVED #/exclusiveMaximum"},
        True,
        False,
    ),
    (
        "a tuple of the newest draft",
        {"$schema": NEWEST, "type": "array", "prefixItems": [TEXT], "items": False},
        {"$schema": NEWEST, "type": "array", "prefixItems": [TEXT, NUMBER], "items": False},
        {"ITEM_ADDED_TO_CLOSED_CONTENT_MODEL #/items/1"},
        True,
        False,
    ),
    (
        "what stands beside a reference counts in the newest draft",
        {"$schema": NEWEST, "$ref": "#/$defs/t", "$defs": {"t": TEXT}},
        {"$schema": NEWEST, "$ref": "#/$defs/t", "maxLength": 3, "$defs": {"t": TEXT}},
        None,
        False,
        True,
    ),
    (
        "properties that nothing speaks of",
        {"$schema": NEWEST, "type": "object"},
        {"$schema": NEWEST, "type": "object", "unevaluatedProperties": False},
        {"UNEVALUATED_PROPERTIES_REMOVED #/unevaluatedProperties"},
        False,
        True,
    ),
    (
        "names depend on others in the newest draft",
        {"$schema": NEWEST, "dependentRequired": {"a": ["b", "c"]}},
        {"$schema": NEWEST, "dependentRequired": {"a": ["b"]}},
        {"DEPENDENCY_ARRAY_NARROWED #/dependencies/a"},
        True,
        False,
    ),
]
IDS = [case[0] for case in CASES]


@pytest.mark.parametrize(("what", "old", "new", "changes", "backward", "forward"), CASES, ids=IDS)
def test_new_readers_go_on_or_break(
    what: str, old: Any, new: Any, changes: set[str] | None, backward: bool, forward: bool
) -> None:
    if changes is not None:
        assert set(JSON.changes(old, new)) == changes
    assert JSON.is_backward(old, new) is backward


@pytest.mark.parametrize(("what", "old", "new", "changes", "backward", "forward"), CASES, ids=IDS)
def test_old_readers_go_on_or_break(
    what: str, old: Any, new: Any, changes: set[str] | None, backward: bool, forward: bool
) -> None:
    assert JSON.is_forward(old, new) is forward


def test_a_problem_is_understood_by_a_person() -> None:
    [message] = JSON.messages(Level.FORWARD, closed(a=TEXT, b=TEXT), closed(a=TEXT))
    assert message == (
        "#/properties/b: the old schema does not name the property b, and allows nothing that it does not name "
        "(PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL). This breaks readers that still have the old schema, of what is "
        "written with the new one."
    )


def test_an_optional_property_keeps_a_closed_schema_compatible_only_one_way() -> None:
    assert JSON.messages(Level.BACKWARD, closed(a=TEXT, b=TEXT), closed(a=TEXT)) == []
    assert len(JSON.messages(Level.FULL, closed(a=TEXT, b=TEXT), closed(a=TEXT))) == 1


def test_reserved_properties_stay_reserved_and_free() -> None:
    schema = JSON.parse(closed(cost=TEXT))
    changes = diff_reserved(reserved_names("cost, status"), reserved_names("cost"), schema)
    assert [f"{change.kind} {change.path}" for change in changes] == [
        "RESERVED_PROPERTY_REMOVED status",
        "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY #/properties/cost",
    ]
    assert not JSON.engine.verdicts.fits(changes)


# --- reading schemas ---


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "is not JSON"),
        ("NaN", "is not JSON"),
        ("3", "is no schema"),
        ({"type": "text"}, "type is one of"),
        ({"type": []}, "type is one of"),
        ({"minLength": -1}, "a whole number"),
        ({"maxItems": 1.5}, "a whole number"),
        ({"multipleOf": 0}, "above 0"),
        ({"required": True}, "list of names"),
        ({"required": ["a", "a"]}, "each of them once"),
        ({"properties": ["a"]}, "values are schemas"),
        ({"allOf": []}, "not empty"),
        ({"items": {"type": "text"}}, "#/items: type is one of"),
        ({"$ref": "#/definitions/no"}, "leads nowhere"),
        ({"$ref": "other.json"}, "none of the references given, and nothing is fetched"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}}, "leads back to itself"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        JSON.parse(schema)


@pytest.mark.parametrize(
    ("ref", "references"),
    [
        ("item.json", {"item.json": TEXT}),
        ("item.json#/definitions/t", {"item.json": {"definitions": {"t": TEXT}}}),
        ("http://shop.example/item.json", {"http://shop.example/item.json": TEXT}),
        ("http://shop.example/item.json", {"item.json": {"$id": "http://shop.example/item.json", **TEXT}}),
        (
            "urn:item#/definitions/t",
            {"i": {"$id": "urn:item", "definitions": {"t": {"$ref": "#/definitions/s"}, "s": TEXT}}},
        ),
        ("item.json#name", {"item.json": {"$defs": {"t": {"$anchor": "name", **TEXT}}}}),
        ("item.json#/a~1b/c%20d", {"item.json": {"a/b": {"c d": TEXT}}}),
        ("a.json", {"b.json": TEXT, "a.json": {"$ref": "b.json"}}),
        ("http://json-schema.org/draft-07/schema#", {}),
    ],
)
def test_references_are_found_among_those_given(ref: str, references: dict[str, Any]) -> None:
    given_texts = {name: json.dumps(schema) for name, schema in references.items()}
    schema = JSON.engine.parse(json.dumps({"$ref": ref}), given_texts)
    expected = JSON.parse(TEXT if references else {})
    assert {change.kind for change in JSON.engine.diff(schema, expected)} <= {"ID_CHANGED"}
    assert JSON.engine.references(schema) == sorted(references)


def test_canonical_form_keeps_order_and_numbers_and_the_normalized_one_sorts() -> None:
    schema = JSON.parse('{ "b": 1.0,\n "a": [1e3, "\\u00e4"] }')
    assert JSON.engine.canonical(schema) == '{"b":1.0,"a":[1E+3,"ä"]}'
    assert JSON.engine.normalized(schema) == '{"a":[1E+3,"ä"],"b":1.0}'


# --- hostile input ---


def test_nothing_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        host, port = server.getsockname()
        for ref in (f"http://{host}:{port}/a.json", f"http://{host}:{port}/a.json#/b"):
            with pytest.raises(SchemaError, match="nothing is fetched"):
                JSON.parse({"$schema": f"http://{host}:{port}/schema", "$ref": ref})
        with pytest.raises(TimeoutError):
            server.accept()


BOMBS = {
    "depth": '{"items":' * 10_000 + "{}" + "}" * 10_000,
    "brackets": "[" * 1_000_000,
    "a string without end": '"\\"' + '\\"' * 500_000,
    "size": json.dumps({"description": "x" * 10_000_000}),
    "a chain of references in a circle": json.dumps(
        {
            "definitions": {f"d{i}": {"$ref": f"#/definitions/d{(i + 1) % 10_000}"} for i in range(10_000)},
            "$ref": "#/definitions/d0",
        }
    ),
    "a long id": json.dumps({"$id": "http://a/" + "b" * 500_000, "allOf": [{"$ref": "#/a"}] * 10_000}),
    "many ids": json.dumps({"definitions": {f"d{i}": {"$id": f"x{i}"} for i in range(20_000)}}),
    "half a character": '{"title": "\\ud800"}',
    "a number that is too long": "1" * 100_000,
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_are_refused_in_bounded_time(what: str) -> None:
    begun = time.process_time()
    with pytest.raises(SchemaError):
        JSON.parse(BOMBS[what])
    assert time.process_time() - begun < 1


def test_a_slow_pattern_is_not_slow() -> None:
    slow = {**closed(), "patternProperties": {"(a+)+$": TEXT}}
    begun = time.process_time()
    JSON.changes(slow, {**slow, "properties": {"a" * 50 + "!": TEXT}})
    assert time.process_time() - begun < 1


def test_a_choice_of_many_is_compared_with_itself_in_bounded_time() -> None:
    def choice(*more: Any) -> dict[str, Any]:
        return {"oneOf": [*(closed(**{f"p{i}": TEXT}) for i in range(1000)), *more]}

    begun = time.process_time()
    assert JSON.changes(choice(), choice(NUMBER)) == ["SUM_TYPE_EXTENDED #/"]
    assert time.process_time() - begun < 2


def test_a_long_chain_of_schemas_is_compared() -> None:
    def chain(end: Any) -> dict[str, Any]:
        links = {f"d{i}": opened(a={"$ref": f"#/definitions/d{i + 1}"}) for i in range(1000)}
        return {"$ref": "#/definitions/d0", "definitions": {**links, "d1000": end}}

    begun = time.process_time()
    assert JSON.is_backward(chain(WHOLE), chain(NUMBER))
    assert not JSON.is_backward(chain(NUMBER), chain(WHOLE))
    assert time.process_time() - begun < 2


def test_choices_that_lead_to_each_other_are_compared_in_bounded_time() -> None:
    def choices(end: Any) -> dict[str, Any]:
        count = 15
        refs = [{"$ref": f"#/definitions/d{i}"} for i in range(count)]
        kinds = {
            f"d{i}": {**closed(kind={"const": i}, next={"oneOf": refs}), "required": ["kind"]} for i in range(count)
        }
        kinds["d0"]["properties"]["end"] = end
        return {"oneOf": refs, "definitions": kinds}

    begun = time.process_time()
    assert JSON.changes(choices(TEXT), choices(TEXT)) == []
    assert not JSON.is_backward(choices(TEXT), choices(NUMBER))
    assert time.process_time() - begun < 2


def test_many_paths_to_one_change_are_told_only_so_often() -> None:
    def twice(end: Any) -> dict[str, Any]:
        links = {f"d{i}": opened(**{key: {"$ref": f"#/definitions/d{i + 1}"} for key in "ab"}) for i in range(40)}
        return {"$ref": "#/definitions/d0", "definitions": {**links, "d40": end}}

    begun = time.process_time()
    with pytest.raises(SchemaError, match="too many places"):
        JSON.changes(twice(TEXT), twice(NUMBER))
    assert time.process_time() - begun < 2


# --- properties ---

NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.one_of(
    st.booleans(),
    st.just({}),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"maxLength": st.integers(0, 3), "pattern": st.just("a")}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.integers(0, 3), "multipleOf": st.sampled_from([1, 2, 4])},
    ),
    st.fixed_dictionaries({"enum": st.lists(st.integers(0, 3), min_size=1, unique=True)}),
    st.fixed_dictionaries({"type": st.lists(st.sampled_from(["string", "null", "boolean"]), min_size=1, unique=True)}),
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    """As in Confluent's registry, a required name counts only if a property is given for it."""
    schema: dict[str, Any] = {"type": "object", "properties": draw(st.dictionaries(NAMES, inner, max_size=3))}
    if schema["properties"] and draw(st.booleans()):
        schema["required"] = draw(st.lists(st.sampled_from(sorted(schema["properties"])), unique=True))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(inner)
    if draw(st.booleans()):
        schema["patternProperties"] = draw(st.dictionaries(st.sampled_from(["^a", "b$", "(?!c)a"]), inner, max_size=1))
    return schema


def _composite(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        _objects(inner),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 2)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
    )


SCHEMAS = st.recursive(LEAVES, _composite, max_leaves=6)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 5), st.text("ab", max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(schema=SCHEMAS)
def test_a_schema_does_not_differ_from_itself(schema: Any) -> None:
    assert JSON.changes(json.dumps(schema), json.dumps(schema)) == []


@settings(max_examples=100, deadline=None)
@given(schema=SCHEMAS, name=st.just("added"), added=SCHEMAS)
def test_adding_an_optional_property_to_a_closed_object_is_told_alike_in_both_directions(
    schema: Any, name: str, added: Any
) -> None:
    old, new = closed(a=schema), closed(a=schema, **{name: added})
    assert JSON.is_backward(old, new)
    assert JSON.is_forward(new, old)
    assert JSON.is_forward(old, new) == JSON.is_backward(new, old)


KEYWORDS = (
    "type minLength maxItems multipleOf minimum pattern items additionalItems uniqueItems contains properties required "
    "additionalProperties patternProperties propertyNames dependencies enum const not allOf if title"
)


@settings(max_examples=250, deadline=None)
@given(
    schema=st.one_of(
        SCHEMAS, st.dictionaries(st.sampled_from(KEYWORDS.split()), st.one_of(VALUES, SCHEMAS), max_size=4)
    )
)
def test_what_the_metaschema_takes_we_take_and_nothing_else(schema: Any) -> None:
    is_valid = jsonschema_rs.meta.is_valid(schema if isinstance(schema, bool) else {"$schema": DRAFT_7, **schema})
    try:
        JSON.parse(json.dumps(schema))
        is_taken = True
    except SchemaError:
        is_taken = False
    assert is_taken is is_valid


@settings(max_examples=200, deadline=None)
@given(old=SCHEMAS, new=SCHEMAS, value=VALUES)
def test_what_was_valid_stays_valid_where_nothing_is_said_to_break(old: Any, new: Any, value: Any) -> None:
    """Not of `oneOf`, where Confluent's rules look at each choice by itself: a value may come to fit two."""
    if "oneOf" in json.dumps([old, new]) or not JSON.is_backward(json.dumps(old), json.dumps(new)):
        return
    if jsonschema_rs.is_valid(old, value):
        assert jsonschema_rs.is_valid(new, value), (old, new, value)


@settings(max_examples=200, deadline=None)
@given(edges=st.dictionaries(st.integers(0, 5), st.lists(st.integers(0, 5), unique=True), max_size=6))
def test_a_matching_is_as_large_as_can_be(edges: dict[int, list[int]]) -> None:
    def largest(lefts: list[int], taken: frozenset[int]) -> int:
        if not lefts:
            return 0
        first, *rest = lefts
        return max([largest(rest, taken), *(1 + largest(rest, taken | {r}) for r in edges[first] if r not in taken)])

    matching = largest_matching(edges)
    assert len(matching) == len(set(matching.values())) == largest(list(edges), frozenset())
    assert all(right in edges[left] for left, right in matching.items())
