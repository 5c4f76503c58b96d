"""The protocol's primitive types, as pairs of functions.

A reader takes the buffer and a position and returns the value and the position behind it; a writer returns the
bytes. Sizes are checked against what the buffer still holds before anything is allocated, so a lying length costs
nothing. Fixed-width numbers are not here: the codec packs neighbours of theirs in one `struct` call.

Specification: https://kafka.apache.org/protocol#protocol_types and KIP-482 (compact types, tagged fields).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from struct import Struct as Packer

from tidings.errors import ClientError

Buffer = bytes | bytearray | memoryview

_INT16 = Packer(">h")
_INT32 = Packer(">i")

VARLONG_BYTES_MAX = 10


class MalformedError(ClientError):
    """Bytes that are no message of the protocol. Its connection cannot be trusted to be in step any more."""


def read_uvarint(buf: Buffer, pos: int) -> tuple[int, int]:
    """An unsigned 32-bit number, seven bits a byte, lowest first."""
    byte = buf[pos]
    pos += 1
    if byte < 0x80:
        return byte, pos
    value = byte & 0x7F
    for shift in (7, 14, 21, 28):
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                break
            return value, pos
    raise MalformedError("a varint is longer than 32 bits")


def write_uvarint(value: int) -> bytes:
    if value < 0x80:
        return ONE_BYTE[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


ONE_BYTE = [bytes((n,)) for n in range(0x80)]
"""The varints of one byte, by what they say."""


def read_varint(buf: Buffer, pos: int) -> tuple[int, int]:
    """A signed 32-bit number in zigzag form, as records use it."""
    byte = buf[pos]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), pos + 1
    value, pos = read_uvarint(buf, pos)
    return (value >> 1) ^ -(value & 1), pos


def write_varint(value: int) -> bytes:
    if -64 <= value < 64:
        return ONE_BYTE[(value << 1) ^ (value >> 31)]
    return write_uvarint((value << 1) ^ (value >> 31))


def read_varlong(buf: Buffer, pos: int) -> tuple[int, int]:
    """A signed 64-bit number in zigzag form."""
    byte = buf[pos]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), pos + 1
    value = 0
    for index in range(VARLONG_BYTES_MAX):
        byte = buf[pos + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value > 0xFFFFFFFFFFFFFFFF:
                break
            return (value >> 1) ^ -(value & 1), pos + index + 1
    raise MalformedError("a varlong is longer than 64 bits")


def write_varlong(value: int) -> bytes:
    return write_uvarint((value << 1) ^ (value >> 63))


def _end(buf: Buffer, pos: int, size: int, what: str) -> int:
    """Check that `size` bytes are there; return where they end."""
    end = pos + size
    if size < 0 or end > len(buf):
        raise MalformedError(f"{what} of {size} bytes where {len(buf) - pos} remain")
    return end


def _text(buf: Buffer, pos: int, end: int) -> str:
    try:
        return str(buf[pos:end], "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a string is not UTF-8") from error


def read_nullable_string(buf: Buffer, pos: int) -> tuple[str | None, int]:
    (size,) = _INT16.unpack_from(buf, pos)
    pos += 2
    if size == -1:
        return None, pos
    end = _end(buf, pos, size, "a string")
    return _text(buf, pos, end), end


def write_string(value: str) -> bytes:
    data = value.encode()
    return _INT16.pack(len(data)) + data


def write_nullable_string(value: str | None) -> bytes:
    return b"\xff\xff" if value is None else write_string(value)


def read_compact_nullable_string(buf: Buffer, pos: int) -> tuple[str | None, int]:
    size, pos = read_uvarint(buf, pos)
    if size == 0:
        return None, pos
    end = _end(buf, pos, size - 1, "a string")
    return _text(buf, pos, end), end


def read_nullable_records(buf: Buffer, pos: int) -> tuple[Buffer | None, int]:
    """A slice of `buf`: of a memoryview it is a view, and costs no copy."""
    (size,) = _INT32.unpack_from(buf, pos)
    pos += 4
    if size == -1:
        return None, pos
    end = _end(buf, pos, size, "bytes")
    return buf[pos:end], end


def read_compact_nullable_records(buf: Buffer, pos: int) -> tuple[Buffer | None, int]:
    size, pos = read_uvarint(buf, pos)
    if size == 0:
        return None, pos
    end = pos + size - 1
    if end > len(buf):
        raise MalformedError(f"bytes of {size - 1} bytes where {len(buf) - pos} remain")
    return buf[pos:end], end


def read_nullable_bytes(buf: Buffer, pos: int) -> tuple[bytes | None, int]:
    view, pos = read_nullable_records(buf, pos)
    return None if view is None else bytes(view), pos


def read_compact_nullable_bytes(buf: Buffer, pos: int) -> tuple[bytes | None, int]:
    view, pos = read_compact_nullable_records(buf, pos)
    return None if view is None else bytes(view), pos


def bytes_prefix(value: Buffer | None) -> bytes:
    """The length that goes before `value`; the value itself is handed on untouched, however large."""
    return b"\xff\xff\xff\xff" if value is None else _INT32.pack(len(value))


def compact_bytes_prefix(value: Buffer | None) -> bytes:
    return b"\0" if value is None else write_uvarint(len(value) + 1)


def read_array_size(buf: Buffer, pos: int, element_bytes_min: int) -> tuple[int, int]:
    """How many elements follow, or -1 for null; refused when the buffer cannot hold as many."""
    (count,) = _INT32.unpack_from(buf, pos)
    return _array_size(buf, pos + 4, count, element_bytes_min)


def read_compact_array_size(buf: Buffer, pos: int, element_bytes_min: int) -> tuple[int, int]:
    count, pos = read_uvarint(buf, pos)
    return _array_size(buf, pos, count - 1, element_bytes_min)


def _array_size(buf: Buffer, pos: int, count: int, element_bytes_min: int) -> tuple[int, int]:
    if count < -1 or count * element_bytes_min > len(buf) - pos:
        raise MalformedError(f"an array of {count} elements where {len(buf) - pos} bytes remain")
    return count, pos


def write_array_size(count: int) -> bytes:
    return _INT32.pack(count)


def each_tagged_field(buf: Buffer, pos: int) -> Iterator[tuple[int, int, int]]:
    """The tagged fields at `pos`, of which there is at least one, as (tag, start, end)."""
    count, pos = read_uvarint(buf, pos)
    if count == 0:
        raise MalformedError("a zero takes more than a byte")
    last_tag = -1
    for _ in range(count):
        tag, pos = read_uvarint(buf, pos)
        size, pos = read_uvarint(buf, pos)
        end = _end(buf, pos, size, "a tagged field")
        if tag <= last_tag:
            raise MalformedError("tagged fields are out of order")
        last_tag = tag
        yield tag, pos, end
        pos = end


def skip_tagged_fields(buf: Buffer, pos: int) -> int:
    """The position behind the tagged fields at `pos`, when none of them is known. Raises MalformedError."""
    try:
        if buf[pos] == 0:  # nearly always
            return pos + 1
        for _, _, end in each_tagged_field(buf, pos):
            pos = end
        return pos
    except IndexError as error:
        raise MalformedError("tagged fields are cut short") from error


def write_tagged_fields(fields: Sequence[tuple[int, list[Buffer]]], add: Callable[[Buffer], None]) -> None:
    """Hand the parts of (tag, parts) to `add`, each field behind its tag and size."""
    add(write_uvarint(len(fields)))
    for tag, parts in fields:
        add(write_uvarint(tag) + write_uvarint(sum(map(len, parts))))
        for part in parts:
            add(part)
