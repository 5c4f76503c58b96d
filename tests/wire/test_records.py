from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.wire.compression import Compression, compress
from tidings.wire.primitives import MalformedError
from tidings.wire.records import (
    HEADER_BYTES,
    BatchHeader,
    Record,
    batches,
    crc_matches,
    encode_batch,
    is_one_batch,
    key_value_batch,
    read_header,
    records,
    restamp_append_time,
    stamp,
)

COMPRESSIONS = list(Compression)

FROM_JAVA = {
    Compression.NONE: (
        "000000000000000700000088000000050257b363ff0000000000020000018bcfe568000000018bcfe568050000000000"
        "000fa0000300000011000000038a01000000026b606f7264657273206f7264657273206f7264657273206f7264657273"
        "206f7264657273206f7264657273206f7264657273040a63655f69640231086e6f6e65010c000a020100001000010404"
        "6b320100"
    ),
    Compression.GZIP: (
        "000000000000000700000074000000050273e2884d0001000000020000018bcfe568000000018bcfe568050000000000"
        "000fa0000300000011000000031f8b08000000000000ffeb6264606060ca4ec82f4a492d2a56209a62e14a4e8dcf4c61"
        "32e4c8cbcf4b65e461e062029a24c0c0c8c2926dc4c80000cf0ec7da57000000"
    ),
    Compression.SNAPPY: (
        "0000000000000007000000790000000502cb2fd5d70002000000020000018bcfe568000000018bcfe568050000000000"
        "000fa00003000000110000000382534e415050590000000001000000010000003457388a01000000026b606f72646572"
        "7320a2070078040a63655f69640231086e6f6e65010c000a0201000010000104046b320100"
    ),
    Compression.LZ4: (
        "000000000000000700000075000000050239f9c7580003000000020000018bcfe568000000018bcfe568050000000000"
        "000fa00003000000110000000304224d1860408235000000ff008a01000000026b606f726465727320070016f010040a"
        "63655f69640231086e6f6e65010c000a0201000010000104046b32010000000000"
    ),
    Compression.ZSTD: (
        "00000000000000070000007200000005026fa3de3e0004000000020000018bcfe568000000018bcfe568050000000000"
        "000fa00003000000110000000328b52ffd0058ac0100e4028a01000000026b606f726465727320040a63655f69640231"
        "086e6f6e65010c000a0201000010000104046b320100010004953a010000"
    ),
}
"""Made by Apache Kafka 4.3.1: MemoryRecords.withIdempotentRecords(2, 7, compression, 4000, 3, 17, 5, ...)."""

FROM_JAVA_RECORDS = [
    Record(7, 1700000000000, b"k", b" ".join([b"orders"] * 7), [("ce_id", b"1"), ("none", None)]),
    Record(8, 1700000000005, None, b"", []),
    Record(9, 1699999999999, b"k2", None, []),
]

some_bytes = st.none() | st.binary(max_size=40) | st.just(b"orders" * 100)
timestamps = st.integers(0, 2**45)
some_headers = st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=3)
some_records = st.lists(st.tuples(timestamps, some_bytes, some_bytes, some_headers), min_size=1, max_size=20).map(
    lambda rows: [Record(offset, *row) for offset, row in enumerate(rows)]
)


def a_batch(count: int = 3, base_offset: int = 0, compression: Compression = Compression.NONE) -> bytearray:
    return encode_batch(
        [Record(0, 1000 + n, b"k%d" % n, b"value" * 10, [("h", b"x")]) for n in range(count)],
        base_offset=base_offset,
        compression=compression,
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(max_examples=30, deadline=None)
@given(given_records=some_records)
def test_records_are_read_as_written(compression: Compression, given_records: list[Record]) -> None:
    batch = encode_batch(given_records, compression=compression)
    header = read_header(batch)
    assert header.size_bytes == len(batch)
    assert header.compression is compression
    assert header.max_timestamp == max(record.timestamp for record in given_records)
    assert header.last_offset == len(given_records) - 1
    assert crc_matches(batch, 0, header)
    assert list(records(batch)) == given_records


@settings(max_examples=50, deadline=None)
@given(some_records, st.integers(-1, 2**40), st.integers(-1, 2**15 - 1), st.integers(-1, 2**31 - 1))
def test_batch_is_what_another_client_makes(
    given_records: list[Record], producer_id: int, producer_epoch: int, base_sequence: int
) -> None:
    batch = encode_batch(
        given_records,
        leader_epoch=-1,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
    )
    builder = DefaultRecordBatchBuilder(2, 0, False, producer_id, producer_epoch, base_sequence, 1 << 30)
    for offset, timestamp, key, value, headers in given_records:
        assert builder.append(offset, timestamp, key, value, headers)
    assert bytes(batch) == bytes(builder.build())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_batch_is_read_by_another_client(compression: Compression) -> None:
    read = DefaultRecordBatch(a_batch(5, base_offset=40, compression=compression))
    assert read.validate_crc()
    assert [(r.offset, r.timestamp, r.key) for r in read] == [(40 + n, 1000 + n, b"k%d" % n) for n in range(5)]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_batch_of_the_java_client_is_read(compression: Compression) -> None:
    batch = bytes.fromhex(FROM_JAVA[compression])
    header = read_header(batch)
    assert crc_matches(batch, 0, header)
    assert (header.compression, header.record_count, header.last_offset) == (compression, 3, 9)
    assert (header.base_timestamp, header.max_timestamp) == (1700000000000, 1700000000005)
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.leader_epoch) == (4000, 3, 17, 5)
    assert list(records(batch)) == FROM_JAVA_RECORDS


def test_uncompressed_batch_is_that_of_the_java_client() -> None:
    batch = encode_batch(
        FROM_JAVA_RECORDS, base_offset=7, leader_epoch=5, producer_id=4000, producer_epoch=3, base_sequence=17
    )
    assert batch.hex() == FROM_JAVA[Compression.NONE]


def test_batch_of_librdkafka_with_a_bare_snappy_block_is_read() -> None:
    from cramjam import snappy

    plain = a_batch()
    batch = rebuilt(plain, bytes(snappy.compress_raw(bytes(plain[HEADER_BYTES:]))), Compression.SNAPPY)
    assert list(records(batch)) == list(records(plain))


def rebuilt(batch: bytearray, body: bytes, compression: Compression = Compression.NONE, **changes: int) -> bytearray:
    """`batch` with another body, and what its header says of it."""
    changed = read_header(batch)._replace(batch_length=HEADER_BYTES - 12 + len(body), attributes=compression, **changes)
    return bytearray(struct.pack(">qiibIhiqqqhii", *changed)) + body


def test_flags_are_told_from_attributes() -> None:
    header = read_header(encode_batch([Record(0, 5, None, b"", ())], is_transactional=True, is_control=True))
    assert (header.is_transactional, header.is_control, header.has_append_time) == (True, True, False)
    header = read_header(a_batch(compression=Compression.LZ4))
    assert (header.is_transactional, header.is_control, header.compression) == (False, False, Compression.LZ4)


def test_last_sequence_goes_back_to_zero() -> None:
    assert read_header(encode_batch([Record(0, 0, None, b"", ())] * 4, base_sequence=2**31 - 2)).last_sequence == 1
    assert read_header(encode_batch([Record(0, 0, None, b"", ())] * 4)).last_sequence == -1


def test_batch_has_a_record() -> None:
    with pytest.raises(ValueError, match="at least one"):
        encode_batch([])


def test_key_value_batch_is_all_of_one_time() -> None:
    batch = key_value_batch([(b"a", b"1"), (b"b", None)], 1234)
    assert list(records(batch)) == [Record(0, 1234, b"a", b"1", []), Record(1, 1234, b"b", None, [])]


@pytest.mark.parametrize("kind", [bytearray, lambda batch: memoryview(bytearray(batch))])
def test_stamp_changes_the_place_and_not_the_crc(kind: Callable[[bytearray], bytearray | memoryview]) -> None:
    batch = kind(bytearray(b"head") + a_batch())
    before = read_header(batch, 4)
    stamp(batch, 4, 1_000_000, 9)
    after = read_header(batch, 4)
    assert after == before._replace(base_offset=1_000_000, leader_epoch=9)
    assert crc_matches(batch, 4, after)
    assert [record.offset for record in records(batch, 4)] == [1_000_000, 1_000_001, 1_000_002]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_append_time_is_that_of_every_record(compression: Compression) -> None:
    batch = bytearray(b"head") + a_batch(compression=compression) + b"tail"
    restamp_append_time(batch, 4, read_header(batch, 4), 777)
    header = read_header(batch, 4)
    assert header.has_append_time
    assert header.compression is compression
    assert crc_matches(batch, 4, header)
    assert {record.timestamp for record in records(batch, 4)} == {777}
    assert (bytes(batch[:4]), bytes(batch[-4:])) == (b"head", b"tail")
    assert DefaultRecordBatch(batch[4:-4]).validate_crc()


def test_batches_are_found_one_after_the_other() -> None:
    buf = a_batch(3, 0) + a_batch(1, 3) + a_batch(2, 4)
    assert [(pos, header.base_offset, header.record_count) for pos, header in batches(memoryview(buf))] == [
        (0, 0, 3),
        (len(a_batch(3)), 3, 1),
        (len(a_batch(3)) + len(a_batch(1)), 4, 2),
    ]


def test_one_batch_is_told_from_none_and_several() -> None:
    batch = bytes(a_batch())
    assert is_one_batch(batch)
    assert is_one_batch(memoryview(batch))
    for other in (b"", batch[:30], batch[:-1], batch + b"\0", batch + batch):
        assert not is_one_batch(other)


def test_batch_that_is_not_there_to_its_end_ends_the_iteration() -> None:
    first, second = a_batch(3, 0), a_batch(2, 3)
    for size in range(len(second)):
        assert [header.base_offset for _, header in batches(first + second[:size])] == [0]
    assert list(batches(b"")) == []


def test_every_damaged_bit_behind_the_crc_is_noticed() -> None:
    batch = a_batch()
    header = read_header(batch)
    for bit in range(8 * 17, 8 * len(batch)):
        batch[bit // 8] ^= 1 << bit % 8
        with suppress(MalformedError):
            assert not crc_matches(batch, 0, read_header(batch))
        batch[bit // 8] ^= 1 << bit % 8
    assert crc_matches(batch, 0, header)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"magic": 0}, "format 0"),
        ({"magic": 1}, "format 1"),
        ({"magic": 3}, "format 3"),
        ({"batch_length": 48}, "48 bytes"),
        ({"batch_length": -1}, "-1 bytes"),
        ({"batch_length": -(2**31)}, "-2147483648 bytes"),
        ({"record_count": -1}, "-1 records"),
        ({"last_offset_delta": -1}, "last offset delta -1"),
        ({"base_offset": -1}, "base offset -1"),
        ({"attributes": 5}, "compression 5"),
        ({"attributes": 7}, "compression 7"),
    ],
)
def test_impossible_header_is_refused(change: dict[str, int], why: str) -> None:
    header = BatchHeader(*read_header(a_batch()))._replace(**change)
    buf = struct.pack(">qiibIhiqqqhii", *header) + bytes(200)
    with pytest.raises(MalformedError, match=why):
        read_header(buf)
    with pytest.raises(MalformedError, match=why):
        list(batches(buf))


def test_header_that_is_cut_short_is_refused() -> None:
    for size in range(HEADER_BYTES):
        with pytest.raises(MalformedError, match=f"{size} are there"):
            read_header(a_batch()[:size])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_of_a_batch_that_is_cut_short_are_refused(compression: Compression) -> None:
    batch = a_batch(compression=compression)
    for size in range(len(batch)):
        with pytest.raises(MalformedError):
            list(records(batch[:size]))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_whose_body_is_cut_short_are_refused(compression: Compression) -> None:
    batch = a_batch(compression=compression)
    for size in range(len(batch) - HEADER_BYTES):
        with pytest.raises(MalformedError):
            list(records(rebuilt(batch, bytes(batch[HEADER_BYTES : HEADER_BYTES + size]), compression)))


@pytest.mark.parametrize("count", [0, 1, 2, 4, 1000, 2**31 - 1])
def test_other_count_of_records_than_there_are_is_refused(count: int) -> None:
    batch = a_batch(3)
    with pytest.raises(MalformedError):
        list(records(rebuilt(batch, bytes(batch[HEADER_BYTES:]), record_count=count)))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("0a 00 00 00 01 01", "1 records in 6 bytes"),
        ("0e 00 00 00 01 01 00", "7 bytes where 6 remain"),
        ("0a 00 00 00 01 01 00", "5 bytes where 6 remain"),
        ("0c 00 00 00 01 01 00 00", "1 bytes behind the last record"),
        ("10 00 00 00 01 01 00 00 00", "does not fill its size"),
        ("0c 00 00 00 03 01 00", "-2 bytes"),
        ("0e 00 00 00 01 feffffff0f 00", "2147483647 bytes"),
        ("0c 00 00 00 01 01 01", "-1 record headers"),
        ("14 00 00 00 01 01 feffffff0f", "2147483647 record headers"),
        ("10 00 00 00 01 01 02 01 01", "has no name"),
        ("14 00 00 00 01 01 02 04 c328 01", "not UTF-8"),
        ("01 00 00 00 01 01 00", "-1 bytes"),
        ("0c 00 80 80 80 80 80", "cut short"),
        ("1a 00 ffffffffffffffffff02 00 01 01 00", "longer than 64 bits"),
    ],
)
def test_malformed_record_is_refused(body: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        list(records(rebuilt(a_batch(1), bytes.fromhex(body))))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COMPRESSIONS), st.integers(1, 3), st.binary(max_size=200))
def test_records_by_chance_are_records_or_malformed(compression: Compression, count: int, body: bytes) -> None:
    with suppress(MalformedError):
        list(records(rebuilt(a_batch(count), body, compression)))
    with suppress(MalformedError):
        list(records(rebuilt(a_batch(count), bytes(compress(compression, body)), compression)))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_batch_that_inflates_too_far_is_refused(compression: Compression) -> None:
    batch = encode_batch([Record(0, 0, None, bytes(100_000), ())], compression=compression)
    assert len(list(records(batch, inflated_bytes_max=100_100))) == 1
    with pytest.raises(MalformedError, match="more than 99999 bytes"):
        list(records(batch, inflated_bytes_max=99_999))
