"""Record batches, format 2: what producers send, the log stores and consumers get, as the same bytes.

    base_offset int64 | batch_length int32 | leader_epoch int32 | magic int8 = 2 | crc uint32 | attributes int16 |
    last_offset_delta int32 | base_timestamp int64 | max_timestamp int64 | producer_id int64 | producer_epoch int16 |
    base_sequence int32 | record_count int32 | the records, compressed together

The CRC-32C covers what follows it, so a broker sets base offset and leader epoch without touching it. The broker's own
path is `batches`, `read_header`, `crc_matches`, `stamp`: they cost the same for a batch of one record and of a
thousand. `records` and `encode_batch` are for those who look inside.

Specification: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from tidings.wire.checksum import crc32c
from tidings.wire.compression import INFLATED_BYTES_MAX, Compression, compress, decompress
from tidings.wire.primitives import (
    Buffer,
    MalformedError,
    read_varint,
    read_varlong,
    write_varint,
    write_varlong,
)

MAGIC = 2
HEADER_BYTES = 61
LENGTH_END = 12
"""Bytes of a batch that its `batch_length` does not count: base offset and the length itself."""
NO_PRODUCER_ID = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1

_HEADER = Struct(">qiibIhiqqqhii")
_BASE_OFFSET = Struct(">q")
_BATCH_LENGTH = Struct(">i")
_BATCH_LENGTH_AT = 8
_LEADER_EPOCH = Struct(">i")
_LEADER_EPOCH_AT = 12
MAGIC_AT = 16
_CRC = Struct(">I")
_CRC_AT = 17
_ATTRIBUTES = Struct(">h")
_ATTRIBUTES_AT = 21
_MAX_TIMESTAMP = Struct(">q")
_MAX_TIMESTAMP_AT = 35

_COMPRESSION_BITS = 0x07
_APPEND_TIME_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

_COMPRESSION_LAST = int(Compression.ZSTD)
_BATCH_LENGTH_MIN = HEADER_BYTES - LENGTH_END
_SEQUENCE_BITS = 0x7FFFFFFF
_RECORD_BYTES_MIN = 7
_RECORD_HEADER_BYTES_MIN = 2


class BatchHeader(NamedTuple):
    """The 61 bytes before the records. Timestamps are milliseconds since 1970."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        return LENGTH_END + self.batch_length

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """Sequence numbers go back to 0 after 2^31 - 1."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & _SEQUENCE_BITS

    @property
    def compression(self) -> Compression:
        return Compression(self.attributes & _COMPRESSION_BITS)

    @property
    def has_append_time(self) -> bool:
        """Whether the broker, not the producer, told the time (LogAppendTime): max_timestamp holds for every record."""
        return bool(self.attributes & _APPEND_TIME_BIT)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """Whether the records are marks of the broker (commit, abort) rather than someone's data."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def delete_horizon_ms(self) -> int | None:
        """Until when compaction keeps the tombstones in it (KIP-534), if it has found them yet."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def read_header(buf: Buffer, pos: int = 0) -> BatchHeader:
    """The header at `pos`. The rest of the batch need not be there.

    Raises MalformedError when fewer than 61 bytes are there, or they say what no batch of format 2 can.
    """
    if pos + HEADER_BYTES > len(buf):
        raise MalformedError(f"a batch header takes {HEADER_BYTES} bytes, and {len(buf) - pos} are there")
    header = _new_tuple(BatchHeader, _HEADER.unpack_from(buf, pos))
    base_offset, batch_length, _, magic, _, attributes, last_offset_delta, _, _, _, _, _, record_count = header
    if (
        magic != MAGIC
        or batch_length < _BATCH_LENGTH_MIN
        or record_count < 0
        or last_offset_delta < 0
        or base_offset < 0
        or attributes & _COMPRESSION_BITS > _COMPRESSION_LAST
    ):
        raise MalformedError(_what_is_wrong(header))
    return header


_new_tuple = tuple.__new__  # what the class itself would call, by way of Python


def _what_is_wrong(header: BatchHeader) -> str:
    if header.magic != MAGIC:
        return f"a record batch of format {header.magic}; only format 2 is accepted"
    if header.attributes & _COMPRESSION_BITS > Compression.ZSTD:
        return f"a record batch with compression {header.attributes & _COMPRESSION_BITS}, which does not exist"
    return (
        f"an impossible record batch: {header.batch_length} bytes, {header.record_count} records, "
        f"base offset {header.base_offset}, last offset delta {header.last_offset_delta}"
    )


def is_one_batch(buf: Buffer) -> bool:
    """Whether `buf` is exactly as long as the batch it begins with says; quick, and of what is inside no proof."""
    return len(buf) >= HEADER_BYTES and _BATCH_LENGTH.unpack_from(buf, _BATCH_LENGTH_AT)[0] + LENGTH_END == len(buf)


def has_transaction(buf: Buffer) -> bool:
    """Whether the batch that `buf` begins with belongs to a transaction; as quick."""
    return bool(buf[_ATTRIBUTES_AT + 1] & TRANSACTIONAL_BIT)


def batches(buf: Buffer, pos: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each whole batch from `pos` on. A batch that is not there to its end ends the iteration,
    as it does for consumers. Raises MalformedError where a header is impossible."""
    last_header_pos = len(buf) - HEADER_BYTES
    while pos <= last_header_pos:
        header = read_header(buf, pos)
        end = pos + header.size_bytes
        if end > len(buf):
            return
        yield pos, header
        pos = end


def crc_matches(buf: Buffer, pos: int, header: BatchHeader) -> bool:
    """Whether the whole batch at `pos` is what its sender sent."""
    view = buf if type(buf) is memoryview else memoryview(buf)
    return crc32c(view[pos + _ATTRIBUTES_AT : pos + LENGTH_END + header.batch_length]) == header.crc


def stamp(buf: bytearray | memoryview, pos: int, base_offset: int, leader_epoch: int) -> None:
    """Give the batch at `pos` its place in the log. Both numbers lie outside the CRC."""
    _BASE_OFFSET.pack_into(buf, pos, base_offset)
    _LEADER_EPOCH.pack_into(buf, pos + _LEADER_EPOCH_AT, leader_epoch)


def restamp_append_time(buf: bytearray | memoryview, pos: int, header: BatchHeader, now_ms: int) -> None:
    """Let the batch at `pos` tell the broker's time (LogAppendTime) instead of its producer's, under a new CRC."""
    _ATTRIBUTES.pack_into(buf, pos + _ATTRIBUTES_AT, header.attributes | _APPEND_TIME_BIT)
    _MAX_TIMESTAMP.pack_into(buf, pos + _MAX_TIMESTAMP_AT, now_ms)
    _seal(buf, pos, header.size_bytes)


def _seal(buf: bytearray | memoryview, pos: int, size_bytes: int) -> None:
    with memoryview(buf) as view, view[pos + _ATTRIBUTES_AT : pos + size_bytes] as covered:
        _CRC.pack_into(buf, pos + _CRC_AT, crc32c(covered))


def records(buf: Buffer, pos: int = 0, inflated_bytes_max: int = INFLATED_BYTES_MAX) -> Iterator[Record]:
    """The records of the whole batch at `pos`, in order; whether its CRC matches is for the caller to ask.

    Raises MalformedError, possibly after some records, when the batch is cut short, inflates to more than
    `inflated_bytes_max`, or does not hold exactly the records its header counts.
    """
    header = read_header(buf, pos)
    end = pos + header.size_bytes
    if end > len(buf):
        raise MalformedError(f"a batch of {header.size_bytes} bytes where {len(buf) - pos} remain")
    data = bytes(decompress(header.compression, memoryview(buf)[pos + HEADER_BYTES : end], inflated_bytes_max))
    if header.record_count * _RECORD_BYTES_MIN > len(data):
        raise MalformedError(f"{header.record_count} records in {len(data)} bytes")
    pos = 0
    try:
        for _ in range(header.record_count):
            record, pos = _read_record(data, pos, header)
            yield record
    except IndexError as error:
        raise MalformedError("a record is cut short") from error
    if pos != len(data):
        raise MalformedError(f"{len(data) - pos} bytes behind the last record of a batch")


def _read_record(data: bytes, pos: int, header: BatchHeader) -> tuple[Record, int]:
    size, pos = read_varint(data, pos)
    end = pos + size
    if not _RECORD_BYTES_MIN - 1 <= size <= len(data) - pos:
        raise MalformedError(f"a record of {size} bytes where {len(data) - pos} remain")
    timestamp_delta, pos = read_varlong(data, pos + 1)  # behind attributes, of which none are defined
    offset_delta, pos = read_varint(data, pos)
    key, pos = _read_bytes(data, pos)
    value, pos = _read_bytes(data, pos)
    headers, pos = _read_headers(data, pos)
    if pos != end:
        raise MalformedError("a record does not fill its size")
    timestamp = header.max_timestamp if header.has_append_time else header.base_timestamp + timestamp_delta
    return Record(header.base_offset + offset_delta, timestamp, key, value, headers), end


def _read_bytes(data: bytes, pos: int) -> tuple[bytes | None, int]:
    byte = data[pos]
    if byte < 0x80:  # as read_varint, in place: there are two of these for a record, and two for each header
        size = (byte >> 1) ^ -(byte & 1)
        pos += 1
    else:
        size, pos = read_varint(data, pos)
    if size == -1:
        return None, pos
    end = pos + size
    if size < 0 or end > len(data):
        raise MalformedError(f"a key, value or header of {size} bytes where {len(data) - pos} remain")
    return data[pos:end], end


def _read_headers(data: bytes, pos: int) -> tuple[list[tuple[str, bytes | None]], int]:
    count, pos = read_varint(data, pos)
    if count == 0:
        return [], pos
    if not 0 < count <= (len(data) - pos) // _RECORD_HEADER_BYTES_MIN:
        raise MalformedError(f"{count} record headers where {len(data) - pos} bytes remain")
    headers = []
    for _ in range(count):
        name, pos = _read_bytes(data, pos)
        value, pos = _read_bytes(data, pos)
        if name is None:
            raise MalformedError("a record header has no name")
        try:
            headers.append((name.decode(), value))
        except UnicodeDecodeError as error:
            raise MalformedError("the name of a record header is not UTF-8") from error
    return headers, pos


def encode_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    compression: Compression = Compression.NONE,
    leader_epoch: int = 0,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = -1,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
) -> bytearray:
    """One batch of `records`, at least one. Offsets count on from `base_offset`, whatever those of the records."""
    batch = bytearray(HEADER_BYTES)
    body = bytearray()
    base_timestamp = max_timestamp = NO_TIMESTAMP
    count = 0
    for record in records:
        if count == 0:
            base_timestamp = max_timestamp = record.timestamp
        max_timestamp = max(max_timestamp, record.timestamp)
        encoded = _encode_record(record, record.timestamp - base_timestamp, count)
        body += write_varint(len(encoded))
        body += encoded
        count += 1
    if count == 0:
        raise ValueError("a batch holds at least one record")
    batch += compress(compression, body)
    attributes = compression | is_transactional * TRANSACTIONAL_BIT | is_control * CONTROL_BIT
    _HEADER.pack_into(
        batch, 0, base_offset, len(batch) - LENGTH_END, leader_epoch, MAGIC, 0, attributes, count - 1,
        base_timestamp, max_timestamp, producer_id, producer_epoch, base_sequence, count,
    )  # fmt: skip
    _seal(batch, 0, len(batch))
    return batch


def pack_batch(header: BatchHeader, body: Buffer) -> bytearray:
    """The batch that `header` describes, around `body`: length and CRC are worked out anew."""
    batch = bytearray(HEADER_BYTES) + body
    _HEADER.pack_into(batch, 0, *header._replace(batch_length=len(batch) - LENGTH_END))
    _seal(batch, 0, len(batch))
    return batch


def _encode_record(record: Record, timestamp_delta: int, offset_delta: int) -> bytes:
    parts = [b"\0", write_varlong(timestamp_delta), write_varint(offset_delta)]
    _add_bytes(parts, record.key)
    _add_bytes(parts, record.value)
    parts.append(write_varint(len(record.headers)))
    for name, value in record.headers:
        _add_bytes(parts, name.encode())
        _add_bytes(parts, value)
    return b"".join(parts)


def _add_bytes(parts: list[bytes], value: bytes | None) -> None:
    if value is None:
        parts.append(b"\x01")  # -1
    else:
        parts.append(write_varint(len(value)))
        parts.append(value)


def key_value_batch(pairs: Sequence[tuple[bytes, bytes | None]], timestamp_ms: int) -> bytearray:
    """One batch for a log of our own: all at one time, uncompressed, without a producer."""
    return encode_batch(Record(0, timestamp_ms, key, value, ()) for key, value in pairs)
