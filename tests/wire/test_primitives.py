from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.wire.primitives import (
    Buffer,
    MalformedError,
    each_tagged_field,
    read_array_size,
    read_compact_array_size,
    read_uvarint,
    read_varint,
    read_varlong,
    skip_tagged_fields,
    write_tagged_fields,
    write_uvarint,
    write_varint,
    write_varlong,
)


@given(st.integers(0, 2**32 - 1))
def test_uvarint_is_read_as_written(value: int) -> None:
    data = write_uvarint(value)
    assert read_uvarint(b"x" + data + b"y", 1) == (value, 1 + len(data))


@given(st.integers(-(2**31), 2**31 - 1))
def test_varint_is_read_as_written(value: int) -> None:
    data = write_varint(value)
    assert read_varint(data, 0) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_varlong_is_read_as_written(value: int) -> None:
    data = write_varlong(value)
    assert read_varlong(data, 0) == (value, len(data))


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (-64, "7f"), (64, "8001"), (2**31 - 1, "feffffff0f")],
)
def test_zigzag_is_that_of_protocol_buffers(value: int, data: str) -> None:
    assert write_varint(value) == write_varlong(value) == bytes.fromhex(data)


@pytest.mark.parametrize("data", ["ffffffff1f", "ffffffffff01", "8080808080808000"])
def test_varint_of_more_than_32_bits_is_refused(data: str) -> None:
    with pytest.raises(MalformedError, match="longer than 32 bits"):
        read_uvarint(bytes.fromhex(data), 0)


@pytest.mark.parametrize("data", ["ff" * 9 + "02", "ff" * 10 + "01"])
def test_varlong_of_more_than_64_bits_is_refused(data: str) -> None:
    with pytest.raises(MalformedError, match="longer than 64 bits"):
        read_varlong(bytes.fromhex(data), 0)


def test_array_of_more_elements_than_could_follow_is_refused() -> None:
    with pytest.raises(MalformedError, match="2147483647 elements where 8 bytes remain"):
        read_array_size(b"\x7f\xff\xff\xff" + bytes(8), 0, 1)
    with pytest.raises(MalformedError, match="3 elements where 8 bytes remain"):
        read_compact_array_size(b"\x04" + bytes(8), 0, 3)
    with pytest.raises(MalformedError, match="an array of -2 elements"):
        read_array_size(b"\xff\xff\xff\xfe", 0, 1)


def test_null_array_has_size_minus_one() -> None:
    assert read_array_size(b"\xff\xff\xff\xff", 0, 1) == (-1, 4)
    assert read_compact_array_size(b"\0", 0, 1) == (-1, 1)


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.binary(max_size=200), min_size=1))
def test_tagged_fields_are_read_as_written(fields: dict[int, bytes]) -> None:
    parts: list[Buffer] = []
    write_tagged_fields([(tag, [fields[tag][:3], fields[tag][3:]]) for tag in sorted(fields)], parts.append)
    data = b"head" + b"".join(parts)
    read = [(tag, data[start:end]) for tag, start, end in each_tagged_field(data, 4)]
    assert read == sorted(fields.items())
    assert skip_tagged_fields(data + b"tail", 4) == len(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("02 0100 0000", "out of order"),
        ("02 0100 0100", "out of order"),
        ("01 0005 41", "5 bytes where 1 remain"),
        ("01 00ffffffff0f", "where 0 remain"),
        ("ffffffff0f 0000", "cut short"),
        ("8000", "more than a byte"),
        ("02 0000", "cut short"),
    ],
)
def test_malformed_tagged_fields_are_refused(data: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        skip_tagged_fields(bytes.fromhex(data), 0)
