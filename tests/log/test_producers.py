from __future__ import annotations

import pytest
from tests.log.batches import batch

from tidings.log.producers import ProducerBatch, Producers
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import BatchHeader, read_header

NOW_MS = 1000


def _header(sequence: int, records: int = 1, epoch: int = 0, producer_id: int = 7) -> BatchHeader:
    return read_header(batch(*[b"x"] * records, producer_id=producer_id, producer_epoch=epoch, sequence=sequence))


def _append(producers: Producers, header: BatchHeader, last_offset: int) -> None:
    assert producers.check(header) is None
    producers.appended(header, last_offset, NOW_MS, NOW_MS)


def _refusal(producers: Producers, header: BatchHeader) -> ErrorCode:
    with pytest.raises(ApiError) as caught:
        producers.check(header)
    return caught.value.code


def _with_batches(count: int) -> Producers:
    """Batches of two records: sequences 0-1 at offsets 10-11, 2-3 at 12-13 …"""
    producers = Producers()
    for number in range(count):
        _append(producers, _header(2 * number, 2), 11 + 2 * number)
    return producers


def test_the_last_five_batches_are_recognised_when_repeated() -> None:
    producers = _with_batches(6)
    for number in range(1, 6):
        known = producers.check(_header(2 * number, 2))
        assert known is not None
        assert (known.first_offset, known.last_offset) == (10 + 2 * number, 11 + 2 * number)
    assert _refusal(producers, _header(0, 2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_gap_is_out_of_order() -> None:
    assert _refusal(_with_batches(1), _header(3)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_batch_that_overlaps_an_earlier_one_is_out_of_order() -> None:
    assert _refusal(_with_batches(2), _header(2, 1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert _refusal(_with_batches(2), _header(3, 2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_an_unknown_producer_may_begin_anywhere() -> None:
    assert Producers().check(_header(41)) is None


def test_a_new_epoch_begins_with_zero_and_ends_the_old_one() -> None:
    producers = _with_batches(2)
    assert _refusal(producers, _header(4, epoch=1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    _append(producers, _header(0, epoch=1), 20)
    assert _refusal(producers, _header(4, epoch=0)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert _refusal(producers, _header(2, 2, epoch=0)) == ErrorCode.INVALID_PRODUCER_EPOCH
    _append(producers, _header(1, epoch=1), 21)


def test_sequences_go_on_with_zero_after_the_greatest() -> None:
    producers = Producers()
    _append(producers, _header(2**31 - 2, 2), 1)
    _append(producers, _header(0), 2)
    producers = Producers()
    _append(producers, _header(2**31 - 1, 3), 2)
    assert producers.check(_header(2**31 - 1, 3)) is not None
    _append(producers, _header(2), 3)


def test_batches_without_sequence_are_passed_over() -> None:
    producers = Producers()
    producers.appended(read_header(batch(b"x")), 0, NOW_MS, NOW_MS)
    assert len(producers) == 0


def test_who_has_not_written_for_long_is_forgotten() -> None:
    producers = _with_batches(1)
    producers.appended(_header(0, producer_id=8), 50, NOW_MS, NOW_MS + 10)
    producers.expire(NOW_MS + 1)
    assert [producer_id for producer_id, _ in producers.items()] == [8]


def test_a_snapshot_keeps_all_five_batches() -> None:
    producers = _with_batches(7)
    _append(producers, _header(0, producer_id=8, epoch=3), 99)
    decoded = Producers.decode(producers.encode())
    assert decoded is not None
    for number in range(2, 7):
        known = decoded.check(_header(2 * number, 2))
        assert known is not None
        assert known.first_offset == 10 + 2 * number
    assert decoded.check(_header(0, producer_id=8, epoch=3)) is not None
    _append(decoded, _header(14), 100)


def test_a_snapshot_by_kafka_has_the_last_batch_only() -> None:
    import struct

    from tidings.wire.checksum import crc32c

    body = struct.pack(">iqhiqiqiq", 1, 7, 0, 9, 109, 1, NOW_MS, -1, -1)
    producers = Producers.decode(struct.pack(">hI", 1, crc32c(body)) + body)
    assert producers is not None
    assert producers.check(_header(8, 2)) == ProducerBatch(9, 109, 1, NOW_MS)
    assert producers.check(_header(10)) is None


def test_a_damaged_snapshot_is_refused_at_every_bit() -> None:
    data = _with_batches(3).encode()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert Producers.decode(bytes(damaged)) is None
    for size in range(len(data)):
        assert Producers.decode(data[:size]) is None
