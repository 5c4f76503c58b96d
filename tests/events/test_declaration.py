"""`@event`: what may be declared, and what is refused while declaring."""

from __future__ import annotations

import dataclasses

import msgspec
import pydantic
import pytest

from tidings import event
from tidings.errors import DeclarationError
from tidings.events.declaration import event_type, is_event, types_in


def test_struct_dataclass_and_pydantic_model_are_declared_alike() -> None:
    @event("declared-alike", key="id", type="A")
    class Struct(msgspec.Struct):
        id: str

    @event("declared-alike", key="id", type="B")
    @dataclasses.dataclass
    class Data:
        id: str

    @event("declared-alike", key="id", type="C")
    class Model(pydantic.BaseModel):
        id: str

    assert sorted(types_in("declared-alike")) == ["A", "B", "C"]
    for made in (Struct("7"), Data("7"), Model(id="7")):
        declared = event_type(type(made))
        assert declared.stream == "declared-alike"
        assert declared.key_of(made) == b"7"
        assert declared.decode(declared.encode(made)) == made


def test_type_is_named_after_its_class_unless_told_otherwise() -> None:
    @event("named", key="id")
    class Named(msgspec.Struct):
        id: str

    @event("named", key="id", type="com.example.renamed")
    class Other(msgspec.Struct):
        id: str

    assert event_type(Named).name == "Named"
    assert event_type(Other).name == "com.example.renamed"


def test_class_itself_is_left_as_it_was() -> None:
    class Plain(msgspec.Struct, frozen=True):
        id: str

    assert event("left-alone", key="id")(Plain) is Plain
    assert Plain("1") == Plain("1")


def test_unknown_key_is_refused_and_the_fields_are_named() -> None:
    with pytest.raises(DeclarationError, match="no field 'oder_id' to be its key; it has: order_id, total"):

        @event("refused", key="oder_id")
        class Order(msgspec.Struct):
            order_id: str
            total: int


def test_class_of_no_supported_kind_is_refused() -> None:
    with pytest.raises(DeclarationError, match="not a msgspec"):

        @event("refused", key="id")
        class Plain:
            id: str


def test_decorator_below_dataclass_is_refused_with_the_way_out() -> None:
    with pytest.raises(DeclarationError, match="@event comes first"):

        @dataclasses.dataclass
        @event("refused", key="id")
        class Data:
            id: str


def test_name_twice_in_one_stream_is_refused() -> None:
    def declare_first() -> type:
        @event("twice", key="id")
        class Same(msgspec.Struct):
            id: str

        return Same

    kept = declare_first()
    with pytest.raises(DeclarationError, match="has an event 'Same' already"):

        @event("twice", key="id")
        class Same(msgspec.Struct):
            id: str

    assert event_type(kept).name == "Same"


def test_module_loaded_again_declares_again() -> None:
    def declare() -> type:
        @event("again", key="id")
        class Reloaded(msgspec.Struct):
            id: str

        return Reloaded

    first, second = declare(), declare()
    assert types_in("again")["Reloaded"].cls is second
    assert event_type(first).cls is first


def test_same_name_lives_in_two_streams() -> None:
    @event("one-stream", key="id", type="Changed")
    class One(msgspec.Struct):
        id: str

    @event("another-stream", key="id", type="Changed")
    class Another(msgspec.Struct):
        id: str

    assert types_in("one-stream")["Changed"].cls is One
    assert types_in("another-stream")["Changed"].cls is Another


def test_subclass_of_an_event_is_no_event_until_declared() -> None:
    @event("parents", key="id")
    class Parent(msgspec.Struct):
        id: str

    class Child(Parent):
        pass

    assert is_event(Parent)
    assert not is_event(Child)
    with pytest.raises(DeclarationError, match="Child is not an event"):
        event_type(Child)


@pytest.mark.parametrize("stream", ["", "a b", "ä", ".", "..", "x" * 250, "a/b"])
def test_name_that_kafka_refuses_is_refused_at_once(stream: str) -> None:
    with pytest.raises(DeclarationError, match="cannot name a stream"):
        event(stream, key="id")


def test_decorator_without_parentheses_is_explained() -> None:
    class Plain(msgspec.Struct):
        id: str

    with pytest.raises(DeclarationError, match='as in @event\\("orders"'):
        event(Plain)  # type: ignore[arg-type]


def test_field_with_no_form_in_json_is_refused_while_declaring() -> None:
    with pytest.raises(DeclarationError, match="Socket"):
        event("refused", key="id")(WithSocket)


class Socket:
    pass


class WithSocket(msgspec.Struct):
    id: str
    sockets: list[Socket]
