"""Avro: what breaks a reader is what Apache Avro could not resolve."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import fastavro
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests.registry.compatibility.asking import Asking

from tidings.registry.compatibility.levels import Level
from tidings.registry.compatibility.schema import SchemaError

AVRO = Asking("AVRO")


def record(*fields: dict[str, Any], name: str = "Order", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Colour", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "Hash") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


A, B = field("a", "string"), field("b", "int")
TREE = record(field("next", ["null", "Node"]), field("value", "int"), name="Node")
LONG_TREE = record(field("next", ["null", "Node"]), field("value", "long"), name="Node")
TEXT_TREE = record(field("next", ["null", "Node"]), field("value", "string"), name="Node")

# What changes, from what, to what, whether new readers go on, and whether old ones do.
CASES = [
    ("nothing", record(A), record(A), True, True),
    ("a description", record(A), record(A, doc="An order."), True, True),
    ("a field with a default more", record(A), record(A, field("b", "int", default=1)), True, True),
    ("a field without a default more", record(A), record(A, B), False, True),
    ("a field with a default less", record(A, field("b", "int", default=1)), record(A), True, True),
    ("a field without a default less", record(A, B), record(A), True, False),
    ("null is a default", record(A), record(A, field("b", ["null", "int"], default=None)), True, True),
    ("a field renamed", record(A), record(field("z", "string")), False, False),
    ("a field renamed, with an alias", record(A), record(field("z", "string", aliases=["a"])), True, False),
    ("two fields become one", record(A, B), record(field("z", "string", aliases=["a", "b"])), False, False),
    ("fields in another order", record(A, B), record(B, A), True, True),
    ("a record renamed", record(A), record(A, name="Purchase"), False, False),
    ("a record renamed, with an alias", record(A), record(A, name="Purchase", aliases=["Order"]), True, False),
    ("a record in another namespace", record(A, namespace="old"), record(A, namespace="new"), True, True),
    ("an alias in the namespace", record(A, namespace="n"), record(A, name="n.P", aliases=["Order"]), True, False),
    ("int to long", '"int"', '"long"', True, False),
    ("int to float", '"int"', '"float"', True, False),
    ("int to double", '"int"', '"double"', True, False),
    ("long to float", '"long"', '"float"', True, False),
    ("float to double", '"float"', '"double"', True, False),
    ("string to bytes", '"string"', '"bytes"', True, True),
    ("int to string", '"int"', '"string"', False, False),
    ("boolean to int", '"boolean"', '"int"', False, False),
    ("a type with a logical type", '"int"', {"type": "int", "logicalType": "date"}, True, True),
    ("a symbol more", enum("red"), enum("red", "blue"), True, False),
    ("a symbol less, with a default", enum("red", "blue"), enum("red", default="red"), True, True),
    ("an enum renamed", enum("red"), {**enum("red"), "name": "Color"}, False, False),
    ("a larger fixed", fixed(4), fixed(8), False, False),
    ("a fixed renamed", fixed(4), fixed(4, "Digest"), False, False),
    ("items that grow", {"type": "array", "items": "int"}, {"type": "array", "items": "long"}, True, False),
    ("values that grow", {"type": "map", "values": "int"}, {"type": "map", "values": "long"}, True, False),
    ("an array becomes a map", {"type": "array", "items": "int"}, {"type": "map", "values": "int"}, False, False),
    ("a type becomes a union", '"int"', ["null", "int"], True, False),
    ("a type becomes a union it fits widened", '"int"', ["null", "long"], True, False),
    ("a type becomes a union without it", '"int"', ["null", "string"], False, False),
    ("a branch more", ["null", "int"], ["null", "int", "string"], True, False),
    ("branches in another order", ["null", "int"], ["int", "null"], True, True),
    ("a union of one becomes its type", ["int"], '"int"', True, True),
    ("a union becomes a type that holds all", ["int", "long"], '"long"', True, True),
    ("a union becomes one of its types", ["null", "int"], '"int"', False, True),
    ("a record in a union gains a field", ["null", record(A)], ["null", record(A, B)], False, True),
    ("a record that holds itself", TREE, TREE, True, True),
    ("a record that holds itself grows", TREE, LONG_TREE, True, False),
    ("a record that holds itself changes", TREE, TEXT_TREE, False, False),
]


@pytest.mark.parametrize(("what", "old", "new", "backward", "forward"), CASES, ids=[case[0] for case in CASES])
def test_new_readers_go_on_or_break(what: str, old: Any, new: Any, backward: bool, forward: bool) -> None:
    assert AVRO.is_backward(old, new) is backward


@pytest.mark.parametrize(("what", "old", "new", "backward", "forward"), CASES, ids=[case[0] for case in CASES])
def test_old_readers_go_on_or_break(what: str, old: Any, new: Any, backward: bool, forward: bool) -> None:
    assert AVRO.is_forward(old, new) is forward


def test_a_symbol_less_breaks_a_reader_without_a_default() -> None:
    assert AVRO.changes(enum("red", "blue"), enum("red")) == ["MISSING_ENUM_SYMBOLS /symbols"]


def test_changes_say_where_they_are() -> None:
    old = record(field("list", {"type": "array", "items": record(A, name="Item")}), field("kept", "int"))
    new = record(field("list", {"type": "array", "items": record(A, B, name="Item")}), field("kept", "string"))
    assert AVRO.changes(old, new) == [
        "READER_FIELD_MISSING_DEFAULT_VALUE /fields/0/type/items/fields/1",
        "TYPE_MISMATCH /fields/1/type",
    ]


def test_a_branch_is_read_into_the_same_type_rather_than_a_wider_one() -> None:
    assert AVRO.changes(["long", "int"], ["long", "int"]) == []
    assert AVRO.changes('"int"', ["long", "int"]) == ["UNION_EXTENDED /"]


def test_a_problem_is_understood_by_a_person() -> None:
    [message] = AVRO.messages(Level.BACKWARD, record(A, field("total", "int")), record(A))
    assert message == (
        "/fields/1: the old schema's record does not have the field total, and the new schema has no default for it "
        "(READER_FIELD_MISSING_DEFAULT_VALUE). This breaks readers with the new schema, of what was written with the "
        "old one."
    )


# --- reading schemas ---


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "is not JSON"),
        ('"nothing"', "no type 'nothing'"),
        ({"type": "record", "name": "R"}, "list of fields"),
        ({"type": "record", "fields": []}, "no 'name'"),
        (record(A, A), "two fields 'a'"),
        (record(field("1a", "int")), "no name"),
        (record(field("a", record(A))), "defined twice"),
        (["int", "int"], "in the union twice"),
        (["int", ["null"]], "a union directly in a union"),
        (enum("red", "red"), "each symbol once"),
        (enum("red", default="blue"), "none of the symbols"),
        ({"type": "fixed", "name": "F"}, "has a size"),
        (record(field("a", "int", default="1")), "no default for int"),
        (record(field("a", "int", default=1 << 31)), "no default for int"),
        (record(field("a", ["null", "int"], default="x")), "no default for union"),
        (record(field("a", "int", order="up")), "order is one of"),
        ({"type": 3}, "there is no type"),
        (3, "is no schema"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        AVRO.parse(json.dumps(schema) if isinstance(schema, int) else schema)


def test_a_schema_that_is_kept_already_may_have_a_wrong_default() -> None:
    AVRO.engine.parse(json.dumps(record(field("a", "int", default="1"))), {}, is_new=False)


def test_references_define_names_that_are_not_written_again() -> None:
    customer = json.dumps(record(A, name="shop.Customer"))
    order = {**record(field("customer", "shop.Customer"), name="Order"), "namespace": "shop"}
    schema = AVRO.engine.parse(json.dumps(order), {"customer.avsc": customer, "unused.avsc": json.dumps(enum("red"))})
    assert AVRO.engine.references(schema) == ["customer.avsc"]
    assert '"type":"Customer"' in AVRO.engine.canonical(schema)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('{"type": "string"}', '"string"'),
        (
            '{"fields": [{"type": {"type": "int"}, "name": "a", "default": 1.0}], "name": "n.R", "type": "record"}',
            '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int","default":1.0}]}',
        ),
        (
            '{"type": "enum", "name": "E", "namespace": "n", "aliases": ["F"], "symbols": [], "m": {"b": 1, "a": 2}}',
            '{"type":"enum","name":"E","namespace":"n","symbols":[],"m":{"b":1,"a":2},"aliases":["F"]}',
        ),
        ('[ "null",\n{"type": "array", "items": "long"} ]', '["null",{"type":"array","items":"long"}]'),
    ],
)
def test_canonical_form_is_that_of_apache_avro(text: str, canonical: str) -> None:
    assert AVRO.engine.canonical(AVRO.engine.parse(text, {}, is_new=False)) == canonical


def test_normalized_form_forgets_order_and_spelling() -> None:
    one = '{"type":"record","name":"R","namespace":"n","z":1,"a":2,"fields":[{"name":"a","type":"int"}],"doc":"d"}'
    two = '{"doc":"d","a":2,"z":1,"fields":[{"type":"int","name":"a"}],"type":"record","name":"n.R"}'
    assert _normalized(one) == _normalized(two)
    assert _normalized(one) == (
        '{"type":"record","name":"R","namespace":"n","doc":"d","fields":[{"name":"a","type":"int"}],"a":2,"z":1}'
    )


def _normalized(text: str) -> str:
    return AVRO.engine.normalized(AVRO.parse(text))


# --- hostile input ---


def test_depth_is_bounded() -> None:
    deep = '{"type":"array","items":' * 10_000 + '"int"' + "}" * 10_000
    with pytest.raises(SchemaError, match="levels deep"):
        AVRO.parse(deep)


def test_size_is_bounded() -> None:
    with pytest.raises(SchemaError, match="at most"):
        AVRO.parse(json.dumps(record(doc="x" * 10_000_000)))


def test_records_that_refer_to_each_other_are_compared_in_bounded_time() -> None:
    def graph(kind: str) -> str:
        inner: Any = record(field("v", kind), name="R25")
        for index in range(24, -1, -1):
            back = [field(f"back{other}", ["null", f"R{other}"]) for other in range(index + 1)]
            inner = record(*back, field("next", inner), name=f"R{index}")
        return json.dumps(inner)

    begun = time.process_time()
    assert AVRO.is_backward(graph("int"), graph("long"))
    assert not AVRO.is_backward(graph("int"), graph("string"))
    assert time.process_time() - begun < 1


def test_a_union_of_many_is_compared_in_bounded_time() -> None:
    union = json.dumps([record(A, name=f"R{index}") for index in range(5000)])
    begun = time.process_time()
    assert AVRO.changes(union, union) == []
    assert time.process_time() - begun < 2


def test_defaults_of_unions_in_unions_are_looked_at_in_bounded_time() -> None:
    b = record(field("x", ["null", "A", "B"]), name="B")
    a = record(field("x", ["null", "A", b]), name="A")
    value: Any = 1
    for _ in range(40):
        value = {"x": value}
    begun = time.process_time()
    with pytest.raises(SchemaError, match="no default"):
        AVRO.parse(json.dumps(record(field("y", [a, "B"], default=value))))
    assert time.process_time() - begun < 1


# --- beside fastavro ---

NAMES = st.sampled_from(["a", "b", "c", "d"])
PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string"])


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Any:
    """Names are given by the depth they are at: what two schemas have in common is found by name."""
    kind = draw(
        st.sampled_from(
            ["primitive", "primitive", "record", "enum", "array", "map", "union"] if depth else ["primitive"]
        )
    )
    match kind:
        case "record":
            names = draw(st.lists(NAMES, unique=True, max_size=3))
            fields = []
            for name in names:
                inner = draw(schemas(depth=depth - 1))
                default = (
                    {"default": draw(values_of(inner))} if draw(st.booleans()) and inner in ("int", "string") else {}
                )
                fields.append({"name": name, "type": _renamed(inner, name), **default})
            return record(*fields, name=f"R{depth}")
        case "enum":
            symbols = draw(st.lists(NAMES, unique=True, min_size=1))
            more = {"default": symbols[0]} if draw(st.booleans()) else {}
            return {"type": "enum", "name": f"E{depth}", "symbols": symbols, **more}
        case "array":
            return {"type": "array", "items": draw(schemas(depth=depth - 1))}
        case "map":
            return {"type": "map", "values": draw(schemas(depth=depth - 1))}
        case "union":
            return draw(st.lists(PRIMITIVES, unique=True, min_size=1, max_size=3))
    return draw(PRIMITIVES)


def _renamed(schema: Any, suffix: str) -> Any:
    """A name is defined once in a schema."""
    if isinstance(schema, dict):
        changed = {
            key: _renamed(value, suffix) if key in ("items", "values") else value for key, value in schema.items()
        }
        if "name" in schema:
            changed["name"] = f"{schema['name']}_{suffix}"
        if "fields" in schema:
            changed["fields"] = [{**one, "type": _renamed(one["type"], suffix)} for one in schema["fields"]]
        return changed
    return schema


def values_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of([values_of(branch) for branch in schema])
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "int" | "long":
            return st.integers(-1000, 1000)
        case "float" | "double":
            return st.floats(width=32, allow_nan=False, allow_infinity=False)
        case "string":
            return st.text(max_size=3)
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "array":
            return st.lists(values_of(schema["items"]), max_size=2)
        case "map":
            return st.dictionaries(st.text(max_size=2), values_of(schema["values"]), max_size=2)
    return st.fixed_dictionaries({one["name"]: values_of(one["type"]) for one in schema["fields"]})


@settings(max_examples=150, deadline=None)
@given(schema=schemas())
def test_a_schema_does_not_differ_from_itself(schema: Any) -> None:
    assert AVRO.changes(json.dumps(schema), json.dumps(schema)) == []


@settings(max_examples=150, deadline=None)
@given(schema=schemas())
def test_canonical_and_normalized_forms_are_their_own(schema: Any) -> None:
    text = json.dumps(schema)
    for form in (AVRO.engine.canonical, AVRO.engine.normalized):
        written = form(AVRO.parse(text))
        assert form(AVRO.parse(written)) == written


@settings(max_examples=200, deadline=None)
@given(data=st.data(), old=schemas(), new=schemas())
def test_what_is_called_compatible_is_read_by_fastavro(data: st.DataObject, old: Any, new: Any) -> None:
    if not AVRO.is_backward(json.dumps(old), json.dumps(new)):
        return
    value = data.draw(values_of(old))
    written = io.BytesIO()
    writer = fastavro.parse_schema(old)
    fastavro.schemaless_writer(written, writer, value)
    written.seek(0)
    fastavro.schemaless_reader(written, writer, fastavro.parse_schema(new))


@settings(max_examples=150, deadline=None)
@given(schema=schemas())
def test_what_is_a_schema_to_fastavro_is_one_to_us(schema: Any) -> None:
    fastavro.parse_schema(schema)
    AVRO.parse(json.dumps(schema))
