"""Keys are the same bytes that any other client would make of the same id."""

from __future__ import annotations

import datetime
import enum
import uuid
from decimal import Decimal

import msgspec
import pytest

from tidings import event
from tidings.errors import DeclarationError
from tidings.events.declaration import event_type
from tidings.events.keys import encode_key
from tidings.events.serdes import EncodeError


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("order-7", b"order-7"),
        ("ü", "ü".encode()),
        (b"\xff\x00", b"\xff\x00"),
        (42, b"42"),
        (uuid.UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), b"1.50"),
        (Colour.RED, b"red"),
        (datetime.date(2026, 1, 2), b"2026-01-02"),
        (("a", 1), b'["a",1]'),
    ],
)
def test_key_is_the_plain_text_of_the_value(value: object, key: bytes) -> None:
    assert encode_key(value) == key


def test_value_without_a_text_of_its_own_is_no_key() -> None:
    with pytest.raises(EncodeError, match="a float cannot be a key"):
        encode_key(1.5)


def test_several_attributes_make_one_key() -> None:
    @event("several", key=("shop", "number"))
    class Receipt(msgspec.Struct):
        shop: str
        number: int

    assert event_type(Receipt).key_of(Receipt("x", 2)) == b'["x",2]'


def test_function_makes_the_key() -> None:
    @event("function-key", key=lambda receipt: receipt.shop.lower())
    class Sale(msgspec.Struct):
        shop: str

    assert event_type(Sale).key_of(Sale("ABC")) == b"abc"


def test_property_makes_the_key() -> None:
    @event("property-key", key="place")
    class Visit(msgspec.Struct):
        city: str

        @property
        def place(self) -> str:
            return self.city.lower()

    assert event_type(Visit).key_of(Visit("Bern")) == b"bern"


def test_event_without_a_declared_key_has_none() -> None:
    @event("keyless")
    class Tick(msgspec.Struct):
        n: int

    assert event_type(Tick).key_of(Tick(1)) is None


def test_missing_key_is_refused_when_emitted_not_written_as_null() -> None:
    @event("missing-key", key="id")
    class Maybe(msgspec.Struct):
        id: str | None

    with pytest.raises(EncodeError, match=r"the key of this .*Maybe is None"):
        event_type(Maybe).key_of(Maybe(None))


def test_no_attribute_at_all_is_no_key() -> None:
    with pytest.raises(DeclarationError, match="a key is"):

        @event("no-key-names", key=())
        class Nothing(msgspec.Struct):
            id: str
