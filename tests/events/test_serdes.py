"""Payloads survive the way to JSON and back; what does not fit is one kind of error with one clear line."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.errors import DeclarationError
from tidings.events.serdes import DecodeError, EncodeError, codec_for


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(msgspec.Struct, frozen=True):
    sku: str
    price: Decimal


class OrderStruct(msgspec.Struct, frozen=True):
    id: uuid.UUID
    at: datetime.datetime
    total: Decimal
    colour: Colour
    lines: list[Line]
    note: str | None = None
    tags: dict[str, int] = {}


@dataclasses.dataclass(frozen=True)
class OrderData:
    id: uuid.UUID
    at: datetime.datetime
    total: Decimal
    colour: Colour
    lines: list[Line]
    note: str | None = None
    tags: dict[str, int] = dataclasses.field(default_factory=dict)


class LineModel(pydantic.BaseModel, frozen=True):
    sku: str
    price: Decimal


class OrderModel(pydantic.BaseModel, frozen=True):
    id: uuid.UUID
    at: datetime.datetime
    total: Decimal
    colour: Colour
    lines: list[LineModel]
    note: str | None = None
    tags: dict[str, int] = {}


times = st.datetimes(
    min_value=datetime.datetime(1970, 1, 1), timezones=st.just(datetime.UTC), max_value=datetime.datetime(2100, 1, 1)
)
decimals = st.decimals(allow_nan=False, allow_infinity=False)


def orders(cls: Any, line: Any) -> st.SearchStrategy[Any]:
    return st.builds(
        cls,
        id=st.uuids(),
        at=times,
        total=decimals,
        colour=st.sampled_from(Colour),
        lines=st.lists(st.builds(line, sku=st.text(), price=decimals), max_size=3),
        note=st.none() | st.text(),
        tags=st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53), max_size=3),
    )


@given(orders(OrderStruct, Line) | orders(OrderData, Line) | orders(OrderModel, LineModel))
def test_event_comes_back_as_it_was(order: Any) -> None:
    codec: Any = codec_for(type(order))
    assert codec.decode(codec.encode(order)) == order


@pytest.mark.parametrize("cls", [OrderStruct, OrderData, OrderModel])
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"id": 1}', b"null", b"[" * 100_000])
def test_what_is_no_event_is_one_kind_of_error(cls: type, data: bytes) -> None:
    with pytest.raises(DecodeError, match="not an Order"):
        codec_for(cls).decode(data)


def test_reason_names_the_field() -> None:
    with pytest.raises(DecodeError, match=r"not a Line: Object missing required field `price`"):
        codec_for(Line).decode(b'{"sku": "a"}')
    with pytest.raises(DecodeError, match=r"not a LineModel: price: Field required"):
        codec_for(LineModel).decode(b'{"sku": "a"}')


def test_field_that_a_newer_producer_added_is_ignored() -> None:
    assert codec_for(Line).decode(b'{"sku": "a", "price": "1", "colour": "red"}') == Line("a", Decimal(1))


def test_value_of_the_wrong_type_is_refused_when_written() -> None:
    with pytest.raises(EncodeError):
        codec_for(Line).encode(Line("a", object()))  # type: ignore[arg-type]


def test_validators_of_a_pydantic_model_run_when_reading() -> None:
    class Positive(pydantic.BaseModel):
        n: pydantic.PositiveInt

    with pytest.raises(DecodeError, match="n: Input should be greater than 0"):
        codec_for(Positive).decode(b'{"n": -1}')


def test_pydantic_dataclass_is_validated_too() -> None:
    codec = codec_for(PydanticData)
    assert codec.decode(codec.encode(PydanticData(n=2))) == PydanticData(n=2)
    with pytest.raises(DecodeError, match="greater than 0"):
        codec.decode(b'{"n": 0}')


@pydantic.dataclasses.dataclass
class PydanticData:
    n: pydantic.PositiveInt


def test_type_declared_further_down_is_found_when_it_is_needed() -> None:
    assert EARLY.decode(b'{"later": {"n": 1}}') == Early(Later(1))


class Early(msgspec.Struct):
    later: Later


EARLY = codec_for(Early)


class Later(msgspec.Struct):
    n: int


def test_only_what_nobody_can_change_counts_as_frozen() -> None:
    assert codec_for(OrderStruct).frozen
    assert codec_for(OrderData).frozen
    assert codec_for(OrderModel).frozen
    assert not codec_for(Early).frozen
    assert not codec_for(PydanticData).frozen


def test_plain_class_has_no_codec() -> None:
    with pytest.raises(DeclarationError):
        codec_for(object)
