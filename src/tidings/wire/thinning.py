"""Taking records out of a batch without touching the others: what compaction does to batches.

The records that stay keep their offsets, timestamps and bytes, and the batch its first and last offset, its producer,
sequence numbers and compression; so nobody can tell but by what is missing. A batch may become empty that way, and
then still says where it was and what its producer had sent.

A batch with a *delete horizon* (attribute bit 6, KIP-534) says in place of its base timestamp until when its tombstones
are to be kept.
"""

from __future__ import annotations

from typing import NamedTuple

from tidings.wire.compression import Compression, compress, decompress
from tidings.wire.primitives import (
    Buffer,
    MalformedError,
    read_varint,
    read_varlong,
    write_varint,
    write_varlong,
)
from tidings.wire.records import (
    DELETE_HORIZON_BIT,
    HEADER_BYTES,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    BatchHeader,
    pack_batch,
)


class Slot(NamedTuple):
    """A record as far as compaction looks at it, and where in the inflated batch it stands."""

    offset_delta: int
    timestamp_delta: int
    key: bytes | None
    has_value: bool
    start: int
    after_timestamp: int
    end: int


def inflated(batch: Buffer, header: BatchHeader) -> bytes:
    """The records of a whole batch, decompressed. Raises MalformedError."""
    return bytes(decompress(header.compression, memoryview(batch)[HEADER_BYTES : header.size_bytes]))


def slots(body: bytes, count: int) -> list[Slot]:
    """The `count` records in an inflated batch. Raises MalformedError if they are not there."""
    pos = 0
    found: list[Slot] = []
    try:
        for _ in range(count):
            start = pos
            # One and two bytes of a varint are read in place: this is most of the time that compaction takes.
            byte, second = body[pos], body[pos + 1]
            if byte < 0x80:
                pos += 1
                end = pos + (byte >> 1)
            elif second < 0x80:
                pos += 2
                end = pos + ((second << 6) | ((byte & 0x7F) >> 1))
            else:
                size, pos = read_varint(body, pos)
                end = pos + size
            timestamp_delta = 0
            pos += 1
            if body[pos]:
                timestamp_delta, pos = read_varlong(body, pos)
            else:
                pos += 1
            after_timestamp = pos
            byte, second = body[pos], body[pos + 1]
            if byte < 0x80:
                pos += 1
                offset_delta = byte >> 1
            elif second < 0x80:
                pos += 2
                offset_delta = (second << 6) | ((byte & 0x7F) >> 1)
            else:
                offset_delta, pos = read_varint(body, pos)
            byte = body[pos]
            if byte < 0x80:
                pos += 1
                key_bytes = (byte >> 1) ^ -(byte & 1)
            else:
                key_bytes, pos = read_varint(body, pos)
            key = None
            if key_bytes >= 0:
                key = body[pos : pos + key_bytes]
                pos += key_bytes
            has_value = body[pos] != _NULL
            if not pos < end <= len(body):
                raise MalformedError("a record does not fill its size")
            found.append(_new(Slot, (offset_delta, timestamp_delta, key, has_value, start, after_timestamp, end)))
            pos = end
    except IndexError as error:
        raise MalformedError("a record is cut short") from error
    if pos != len(body):
        raise MalformedError(f"{len(body) - pos} bytes behind the last record of a batch")
    return found


_new = tuple.__new__  # what the class itself would call, by way of Python
_NULL = 0x01
"""-1, as a varint."""


def thinned(header: BatchHeader, body: bytes, kept: list[Slot], delete_horizon_ms: int | None = None) -> bytearray:
    """The batch with only the records in `kept`, at least one, and with a delete horizon if one is given."""
    attributes = header.attributes
    base_timestamp = header.base_timestamp
    if delete_horizon_ms is None:
        records = b"".join([body[slot.start : slot.end] for slot in kept])
    else:
        shift = base_timestamp - delete_horizon_ms
        records = b"".join([_moved(body, slot, shift) for slot in kept])
        attributes |= DELETE_HORIZON_BIT
    max_timestamp = header.max_timestamp
    if not header.has_append_time:
        max_timestamp = max(base_timestamp + slot.timestamp_delta for slot in kept)
    if delete_horizon_ms is not None:
        base_timestamp = delete_horizon_ms
    return pack_batch(
        header._replace(
            attributes=attributes,
            base_timestamp=base_timestamp,
            max_timestamp=max_timestamp,
            record_count=len(kept),
        ),
        compress(header.compression, records),
    )


def emptied(header: BatchHeader) -> bytearray:
    """The batch without its records. It has no timestamp either: nothing in it is of any time.

    A marker without its record marks nothing, and is as good as a batch of nobody.
    """
    if header.is_control:
        header = header._replace(attributes=0, producer_id=NO_PRODUCER_ID, producer_epoch=-1, base_sequence=NO_SEQUENCE)
    return pack_batch(
        header._replace(
            attributes=header.attributes & ~_COMPRESSION_AND_HORIZON,
            base_timestamp=NO_TIMESTAMP,
            max_timestamp=NO_TIMESTAMP,
            record_count=0,
        ),
        b"",
    )


_COMPRESSION_AND_HORIZON = 0x07 | DELETE_HORIZON_BIT


def recompressed(batch: Buffer, header: BatchHeader, compression: Compression) -> bytearray:
    """The same batch in another compression. Raises MalformedError."""
    attributes = header.attributes & ~0x07 | compression
    return pack_batch(header._replace(attributes=attributes), compress(compression, inflated(batch, header)))


def _moved(body: bytes, slot: Slot, shift: int) -> bytes:
    """The record with its timestamp told from another base."""
    content = b"\0" + write_varlong(slot.timestamp_delta + shift) + body[slot.after_timestamp : slot.end]
    return write_varint(len(content)) + content
