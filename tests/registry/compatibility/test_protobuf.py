"""Protobuf: what counts are the numbers of fields and how their types are written."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from tests.registry.compatibility.asking import Asking

from tidings.registry.compatibility.levels import Level
from tidings.registry.compatibility.schema import SchemaError

PROTOBUF = Asking("PROTOBUF")


def proto3(body: str) -> str:
    return f'syntax = "proto3";\n{body}'


def message(fields: str, name: str = "Order") -> str:
    return proto3(f"message {name} {{ {fields} }}")


def proto2(fields: str) -> str:
    return f"message Order {{ {fields} }}"


def enum(constants: str) -> str:
    return proto3(f"enum Colour {{ {constants} }}")


A = "string a = 1;"

# What changes, from what, to what, the changes, whether new readers go on, and whether old ones do.
CASES: list[tuple[Any, ...]] = [
    ("nothing", message(A), message(A), set(), True, True),
    (
        "a package",
        proto3(f"package one; message O {{ {A} }}"),
        proto3(f"package two; message O {{ {A} }}"),
        {"PACKAGE_CHANGED #/"},
        False,
        False,
    ),
    ("a message more", message(A), message(A) + "message P { }", {"MESSAGE_ADDED #/P"}, True, False),
    (
        "a message renamed",
        message(A),
        message(A, "P"),
        {"MESSAGE_ADDED #/P", "MESSAGE_REMOVED #/Order"},
        False,
        False,
    ),
    (
        "messages in another order",
        proto3("message A { } message B { }"),
        proto3("message B { } message A { }"),
        {"MESSAGE_MOVED #/A", "MESSAGE_MOVED #/B"},
        True,
        True,
    ),
    (
        "a message in a message is gone",
        message("message Inner { }"),
        message(""),
        {"MESSAGE_REMOVED #/Order/Inner"},
        False,
        True,
    ),
    ("an enum more", message(A), message(A) + "enum E { X = 0; }", {"ENUM_ADDED #/E"}, True, True),
    ("a constant more", enum("X = 0;"), enum("X = 0; Y = 1;"), {"ENUM_CONST_ADDED #/Colour/1"}, True, True),
    ("a constant renamed", enum("X = 0;"), enum("Y = 0;"), {"ENUM_CONST_CHANGED #/Colour/0"}, True, True),
    ("a field more", message(A), message(A + "int32 b = 2;"), {"FIELD_ADDED #/Order/2"}, True, True),
    ("a field renamed", message(A), message("string z = 1;"), {"FIELD_NAME_CHANGED #/Order/1"}, True, True),
    (
        "a field with another number",
        message(A),
        message("string a = 2;"),
        {"FIELD_REMOVED #/Order/1", "FIELD_ADDED #/Order/2"},
        True,
        True,
    ),
    ("a string becomes bytes", message(A), message("bytes a = 1;"), set(), True, True),
    ("a small number becomes a large one", message("int32 a = 1;"), message("uint64 a = 1;"), set(), True, True),
    ("a number becomes an enum", message("int32 a = 1;"), message("E a = 1; enum E { X = 0; }"), None, True, True),
    (
        "a number is written in another way",
        message("int32 a = 1;"),
        message("sint32 a = 1;"),
        {"FIELD_SCALAR_KIND_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "a number becomes a fixed one",
        message("int32 a = 1;"),
        message("fixed32 a = 1;"),
        {"FIELD_SCALAR_KIND_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "a number becomes a message",
        message("int32 a = 1; message M { }"),
        message("M a = 1; message M { }"),
        {"FIELD_KIND_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "another message",
        message("M a = 1; message M { } message N { }"),
        message("N a = 1; message M { } message N { }"),
        {"FIELD_NAMED_TYPE_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "the values of a map",
        message("map<string, int32> a = 1;"),
        message("map<string, string> a = 1;"),
        {"FIELD_SCALAR_KIND_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "a map becomes a scalar",
        message("map<string, int32> a = 1;"),
        message(A),
        {"FIELD_KIND_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "one number becomes many",
        proto2("optional int32 a = 1;"),
        proto2("repeated int32 a = 1;"),
        {"FIELD_NUMERIC_LABEL_CHANGED #/Order/1"},
        False,
        False,
    ),
    (
        "one string becomes many",
        proto2("optional string a = 1;"),
        proto2("repeated string a = 1;"),
        {"FIELD_STRING_OR_BYTES_LABEL_CHANGED #/Order/1"},
        True,
        True,
    ),
    (
        "a required field more",
        proto2(""),
        proto2("required int32 a = 1;"),
        {"REQUIRED_FIELD_ADDED #/Order/1"},
        False,
        False,
    ),
    (
        "a oneof more",
        message(A),
        message(A + "oneof o { int32 b = 2; }"),
        {"ONEOF_ADDED #/Order/o", "ONEOF_FIELD_ADDED #/Order/o/2"},
        True,
        True,
    ),
    (
        "a field of a oneof more",
        message("oneof o { int32 a = 1; }"),
        message("oneof o { int32 a = 1; int32 b = 2; }"),
        {"ONEOF_FIELD_ADDED #/Order/o/2"},
        True,
        False,
    ),
    (
        "a field moves into a new oneof",
        message(A),
        message("oneof o { string a = 1; }"),
        {"ONEOF_ADDED #/Order/o"},
        True,
        True,
    ),
    (
        "two fields move into a oneof",
        message(A + "int32 b = 2;"),
        message("oneof o { string a = 1; int32 b = 2; }"),
        {"MULTIPLE_FIELDS_MOVED_TO_ONEOF #/Order/o", "ONEOF_ADDED #/Order/o"},
        False,
        True,
    ),
    (
        "a field moves into a oneof that is there",
        message(A + "oneof o { int32 b = 2; }"),
        message("oneof o { string a = 1; int32 b = 2; }"),
        {"FIELD_MOVED_TO_EXISTING_ONEOF #/Order/o"},
        False,
        True,
    ),
    (
        "a field changes as it moves",
        message("oneof o { string a = 1; }"),
        message("oneof p { int32 a = 1; }"),
        {"ONEOF_REMOVED #/Order/o", "ONEOF_ADDED #/Order/p", "FIELD_SCALAR_KIND_CHANGED #/Order/p/1"},
        False,
        False,
    ),
    (
        "a message that holds itself",
        message("Order next = 1; int32 b = 2;"),
        message("Order next = 1; string b = 2;"),
        {"FIELD_SCALAR_KIND_CHANGED #/Order/2"},
        False,
        False,
    ),
]
IDS = [case[0] for case in CASES]


@pytest.mark.parametrize(("what", "old", "new", "changes", "backward", "forward"), CASES, ids=IDS)
def test_new_readers_go_on_or_break(
    what: str, old: str, new: str, changes: set[str] | None, backward: bool, forward: bool
) -> None:
    if changes is not None:
        assert set(PROTOBUF.changes(old, new)) == changes
    assert PROTOBUF.is_backward(old, new) is backward


@pytest.mark.parametrize(("what", "old", "new", "changes", "backward", "forward"), CASES, ids=IDS)
def test_old_readers_go_on_or_break(
    what: str, old: str, new: str, changes: set[str] | None, backward: bool, forward: bool
) -> None:
    assert PROTOBUF.is_forward(old, new) is forward


def test_messages_of_imported_files_are_compared_where_they_are_used() -> None:
    text = proto3('import "item.proto"; message Order { shop.Item item = 1; }')
    old, new, same = (
        PROTOBUF.engine.parse(text, {"item.proto": proto3(f"package shop; message Item {{ {fields} }}")})
        for fields in ("int32 a = 1;", "string a = 1;", "int32 a = 1;")
    )
    changes = PROTOBUF.engine.diff(old, new)
    assert {change.kind for change in changes} == {"FIELD_SCALAR_KIND_CHANGED", "FIELD_NAMED_TYPE_CHANGED"}
    assert PROTOBUF.engine.diff(old, same) == []
    assert PROTOBUF.engine.references(old) == ["item.proto"]


def test_well_known_types_need_no_reference() -> None:
    text = 'import "google/protobuf/timestamp.proto"; message Order {{ google.protobuf.{} at = 1; }}'
    old = proto3(text.format("Timestamp"))
    assert PROTOBUF.changes(old, old) == []
    assert not PROTOBUF.is_backward(old, proto3(text.format("Duration")))


def test_a_problem_is_understood_by_a_person() -> None:
    [found] = PROTOBUF.messages(Level.BACKWARD, message("int32 a = 1;"), message(A))
    assert found == (
        "#/Order/1: the type of a field is written in another way (string to int32) (FIELD_SCALAR_KIND_CHANGED). "
        "This breaks readers with the new schema, of what was written with the old one."
    )


# --- reading schemas ---

REFUSED = [
    ('syntax = "proto4";', "no syntax"),
    ("message {", "no name"),
    ("message A {", "the text ends"),
    ("massage A { }", "does not begin anything"),
    ("message A { string a = x; }", "no whole number"),
    ("message A { string a = 0; }", "not for fields"),
    ("message A { string a = 19500; }", "not for fields"),
    ("message A { string a = 536870912; }", "too large"),
    ("message A { string a = 1; int32 b = 1; }", "number 1 is there twice"),
    ("message A { string a = 1; int32 a = 2; }", "name a is there twice"),
    ("message A { reserved 2 to 5; int32 a = 3; }", "number 3 is reserved"),
    ('message A { reserved "a"; int32 a = 3; }', "name a is reserved"),
    ("message A { reserved 2 to 5, 4; }", "reserved twice"),
    ("message A { reserved 5 to 2; }", "goes backwards"),
    ("message A { } message A { }", "name A is there twice"),
    ("message A { Missing a = 1; }", "no type Missing"),
    ("message A { map<float, int32> a = 1; }", "no type for the keys"),
    ("message A { required int32 a = 1; }", "no required fields"),
    ("message A { int32 a = 1 [default = 3]; }", "no defaults"),
    ("enum E { }", "has a constant"),
    ("enum E { X = 1; }", "is 0 in proto3"),
    ("enum E { X = 0; Y = 0; }", "number 0 is there twice"),
    ("enum E { X = 0; } enum F { X = 0; }", "name X is there twice"),
    ("message A { oneof a { int32 a = 1; } }", "name a is there twice"),
    ("message A { oneof o { } }", "nothing in the oneof"),
    ("message A { oneof o { repeated int32 a = 1; } }", "have no label"),
    ('import "missing.proto";', "missing.proto is imported"),
    ("message A { string a = 1; } $", "is not understood"),
    ("service S { rpc Do (Missing) returns (Missing); }", "no type Missing"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_no_schema_is_refused(body: str, why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        PROTOBUF.parse(proto3(body) if "syntax" not in body else body)


EVERYTHING = """
// All that a file can hold.
syntax = "proto2";
package shop.orders;
import "google/protobuf/descriptor.proto"; import public 'google/protobuf/any.proto';
option java_package = "example." "shop";
option (mine).inner = { a: 1 b { c: "x" } list: [1, 2], [ext.ension]: true };

/* An order,
   and what is in it. */
message Order {
  reserved 9, 11 to 13, 100 to max;
  reserved "gone", "away";
  extensions 50 to 60;
  option deprecated = true;
  required string id = 1 [json_name = "ID", (mine) = -1.5e3];
  optional int32 count = 0x2 [default = -7, deprecated = true];
  repeated Item items = 4 [packed = false];
  map<string, .shop.orders.Order.Item> by_name = 5;
  oneof payment { option (mine) = "o"; string card = 7; Cash cash = 6; }
  optional group Extra = 8 { optional bool yes = 1; }
  message Item { extensions 50 to 60; optional Order order = 1;
    enum Kind { reserved 5; A = 0; B = -1 [deprecated = true]; } }
  message Cash { }
  extend Item { optional string note = 50; }
  enum Empty { option allow_alias = true; X = 1; Y = 1; };
}
enum Colour { RED = 0; }
extend google.protobuf.MessageOptions { optional string mine = 50001; }
service Orders {
  option deprecated = true;
  rpc Place (stream Order) returns (stream Order) { option deprecated = true; }
  rpc Watch (Order) returns (Order);
}
"""


def test_everything_a_file_can_hold_is_read_and_written() -> None:
    text = EVERYTHING
    written = PROTOBUF.engine.canonical(PROTOBUF.parse(text))
    assert PROTOBUF.engine.canonical(PROTOBUF.parse(written)) == written
    normal = PROTOBUF.engine.normalized(PROTOBUF.parse(text))
    assert PROTOBUF.engine.normalized(PROTOBUF.parse(normal)) == normal
    assert PROTOBUF.changes(text, written) == PROTOBUF.changes(text, normal) == []
    for said in (
        'option java_package = "example.shop";',
        "-1.5e3",
        "rpc Place (stream Order) returns (stream Order) {",
    ):
        assert said in written


def test_canonical_form_is_laid_out_in_one_way() -> None:
    schema = PROTOBUF.parse(
        'syntax="proto3";package p;message M{repeated string a=1[deprecated=true];reserved 2 to 3;}enum E{X=0;}'
    )
    assert PROTOBUF.engine.canonical(schema) == (
        'syntax = "proto3";\npackage p;\n\nmessage M {\n  reserved 2 to 3;\n\n'
        "  repeated string a = 1 [deprecated = true];\n}\nenum E {\n  X = 0;\n}\n"
    )


@pytest.mark.parametrize(
    "options",
    [
        "(mine).a = 1, (mine).b = 2",
        "(mine) = {b: 2 a: 1}",
        "(.p.mine) = {a: [1], b: 2}",
        "(p.mine) = {a: 1}, (mine).b = 2",
    ],
)
def test_normalized_options_have_one_spelling(options: str) -> None:
    text = (
        'package p; import "google/protobuf/descriptor.proto";'
        " message V { optional int32 a = 1; optional int32 b = 2; }"
        " extend google.protobuf.FieldOptions { optional V mine = 50001; }"
        f" message M {{ optional string s = 1 [{options}]; }}"
    )
    written = _normalized(text)
    assert "optional string s = 1 [(p.mine) = {\n    a: 1,\n    b: 2\n  }];" in written
    assert _normalized(written) == written


def test_normalized_form_forgets_order_and_spelling_but_for_the_order_of_messages() -> None:
    one = proto3(
        "package p; message M { N b = 2; string a = 1; reserved 5, 4; } message N { } enum E { Y = 1; X = 0; }"
    )
    two = proto3(
        "package p; enum E { X = 0; Y = 1; } message M { reserved 4; reserved 5; string a = 1; .p.N b = 2; }"
        " message N { }"
    )
    moved = proto3(
        "package p; message N { } message M { N b = 2; string a = 1; reserved 5, 4; } enum E { X = 0; Y = 1; }"
    )
    one = one.replace("Y = 1; X = 0;", "X = 0; Y = 1;")
    assert _normalized(one) == _normalized(two) != _normalized(moved)
    assert "  .p.N b = 2;\n" in _normalized(one)


def _normalized(text: str) -> str:
    return PROTOBUF.engine.normalized(PROTOBUF.parse(text))


def test_protoc_reads_what_we_write(tmp_path: Path) -> None:
    schema = PROTOBUF.parse(
        EVERYTHING.replace('option (mine).inner = { a: 1 b { c: "x" } list: [1, 2], [ext.ension]: true };', "")
        .replace(", (mine) = -1.5e3", "")
        .replace('option (mine) = "o"; ', "")
    )
    for name, text in (
        ("canonical", PROTOBUF.engine.canonical(schema)),
        ("normalized", PROTOBUF.engine.normalized(schema)),
    ):
        assert protoc(tmp_path, f"{name}.proto", text) == ""


@pytest.mark.parametrize("body", [case[0] for case in REFUSED if "$" not in case[0]], ids=lambda body: body[:40])
def test_protoc_refuses_what_we_refuse(body: str, tmp_path: Path) -> None:
    assert protoc(tmp_path, "schema.proto", proto3(body) if "syntax" not in body else body) != ""


def protoc(folder: Path, name: str, text: str) -> str:
    """What it complains of."""
    (folder / name).write_text(text)
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        f"-I{well_known}",
        f"--descriptor_set_out={folder}/out",
        name,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


# --- hostile input ---

BOMBS = {
    "depth": "message A { " * 10_000 + "}" * 10_000,
    "options": proto3("option a = " + "{ b: " * 10_000),
    "size": "// " + "x" * 10_000_000,
    "a comment without end": "/*" * 400_000,
    "a string without end": 'option a = "' + '\\"' * 400_000,
    "a name of many parts": proto3("option (a)" + ".b" * 400_000 + " = 1;"),
    "a long number": "message A { string a = " + "9" * 100_000 + "; }",
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_are_refused_in_bounded_time(what: str) -> None:
    begun = time.process_time()
    with pytest.raises(SchemaError):
        PROTOBUF.parse(BOMBS[what])
    assert time.process_time() - begun < 1


# --- properties ---

TYPES = st.sampled_from(
    ["int32", "sint64", "string", "bytes", "double", "M", "E", "map<string, int32>", "repeated bool"]
)


@st.composite
def schemas(draw: st.DrawFn) -> str:
    fields: list[str] = []
    oneofs: list[str] = []
    for number in draw(st.lists(st.integers(1, 6), unique=True, max_size=5)):
        kind = draw(TYPES)
        is_in_oneof = " " not in kind and draw(st.booleans())
        (oneofs if is_in_oneof else fields).append(f"{kind} {draw(st.sampled_from('ab'))}{number} = {number};")
    choice = f"oneof {draw(st.sampled_from('op'))} {{ {' '.join(oneofs)} }}" if oneofs else ""
    return proto3(f"message Order {{ {' '.join(fields)} {choice} }} message M {{ }} enum E {{ X = 0; }}")


@settings(max_examples=150, deadline=None)
@given(schema=schemas())
def test_a_schema_does_not_differ_from_itself_or_from_what_we_write_of_it(schema: str) -> None:
    parsed = PROTOBUF.parse(schema)
    assert PROTOBUF.changes(schema, schema) == []
    assert PROTOBUF.changes(schema, PROTOBUF.engine.canonical(parsed)) == []
    assert PROTOBUF.changes(schema, PROTOBUF.engine.normalized(parsed)) == []


@settings(max_examples=150, deadline=None)
@given(old=schemas(), new=schemas())
def test_forward_is_backward_the_other_way_round(old: str, new: str) -> None:
    assert bool(PROTOBUF.messages(Level.FORWARD, new, old)) is bool(PROTOBUF.messages(Level.BACKWARD, old, new))
