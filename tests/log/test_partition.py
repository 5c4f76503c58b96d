"""What a partition promises, on any Files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.log.batches import NOW_MS, batch, chunks, contents

from tidings.errors import DiskError
from tidings.log.config import LogConfig
from tidings.log.files import Files
from tidings.log.log import Appended
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import NO_TIMESTAMP, batches, crc_matches, read_header

Open = Callable[..., Partition]


@pytest.fixture
def open_partition(files: Files, folder: str) -> Open:
    def open_it(config: LogConfig | None = None, *, clean: bool = True, durability: str = "os") -> Partition:
        return Partition.open(
            files,
            f"{folder}/orders-0",
            config or LogConfig(),
            now_ms=NOW_MS,
            clean=clean,
            durability="os" if durability == "os" else "fsync",
        )

    return open_it


def _append(partition: Partition, *values: bytes, now_ms: int = NOW_MS) -> Appended:
    return partition.append(batch(*values, timestamp=now_ms), now_ms=now_ms)


def _refusal(partition: Partition, data: bytearray) -> ErrorCode:
    before = (partition.end_offset, partition.size_bytes)
    with pytest.raises(ApiError) as caught:
        partition.append(data, now_ms=NOW_MS)
    assert (partition.end_offset, partition.size_bytes) == before
    return caught.value.code


def test_an_empty_partition_touches_no_disk(open_partition: Open, files: Files, folder: str) -> None:
    partition = open_partition()
    assert partition.read(0, 1000) == b""
    assert partition.offset_for_time(0) is None
    assert partition.offset_of_max_timestamp() is None
    partition.sync()
    partition.retain(NOW_MS)
    partition.close()
    assert files.listdir(folder) == []


def test_records_get_consecutive_offsets(open_partition: Open) -> None:
    partition = open_partition()
    assert _append(partition, b"a", b"b") == (0, 1, NO_TIMESTAMP, False)
    assert _append(partition, b"c") == (2, 2, NO_TIMESTAMP, False)
    assert partition.end_offset == partition.high_watermark == 3
    assert contents(partition) == [(0, b"a"), (1, b"b"), (2, b"c")]
    partition.close()


def test_the_bytes_stored_are_the_bytes_sent_but_for_offset_and_epoch(open_partition: Open) -> None:
    partition = open_partition()
    _append(partition, b"first")
    partition.leader_epoch = 4
    sent = batch(b"second")
    expected = bytes(sent)
    partition.append(sent, now_ms=NOW_MS)
    stored = partition.read(1, 1000)
    assert (stored[8:12], stored[16:]) == (expected[8:12], expected[16:])
    header = read_header(stored)
    assert (header.base_offset, header.leader_epoch) == (1, 4)
    assert crc_matches(stored, 0, header)
    partition.close()


def test_what_is_not_synced_is_not_shown(open_partition: Open) -> None:
    partition = open_partition(durability="fsync")
    _append(partition, b"a")
    partition.sync()
    _append(partition, b"b")
    assert (partition.high_watermark, partition.end_offset) == (1, 2)
    assert contents(partition) == [(0, b"a")]
    assert partition.read(1, 1000) == b""
    assert contents(partition, up_to=2) == [(0, b"a"), (1, b"b")]
    partition.sync()
    assert contents(partition) == [(0, b"a"), (1, b"b")]
    partition.close()


def test_an_offset_outside_the_log_is_out_of_range(open_partition: Open) -> None:
    partition = open_partition()
    _append(partition, b"a", b"b", b"c")
    partition.delete_before(1)
    for offset in (-1, 0, 4):
        with pytest.raises(ApiError) as caught:
            partition.read(offset, 1000)
        assert caught.value.code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert partition.read(3, 1000) == b""
    partition.close()


def test_a_read_inside_a_batch_returns_the_whole_batch(open_partition: Open) -> None:
    partition = open_partition()
    _append(partition, b"a")
    _append(partition, b"b", b"c", b"d")
    assert read_header(partition.read(2, 1000)).base_offset == 1
    partition.close()


def test_the_first_batch_comes_whole_however_large(open_partition: Open) -> None:
    partition = open_partition()
    _append(partition, b"x" * 5000)
    _append(partition, b"y")
    assert len(list(batches(partition.read(0, 1)))) == 1
    assert partition.read(0, 1, at_least_one=False) == b""
    assert partition.read(0, 5000, at_least_one=False) == b""
    assert len(partition.read(0, 5100, at_least_one=False)) > 5000
    partition.close()


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("bytes_max", [1, 100, 1000, 4096, 10_000, 100_000])
def test_reads_of_any_size_give_every_record_once(open_partition: Open, bytes_max: int, reopened: bool) -> None:
    config = LogConfig(segment_bytes=20_000)
    partition = open_partition(config)
    expected = []
    for number in range(300):
        values = [b"%d-%d" % (number, index) * (number % 40) for index in range(number % 3 + 1)]
        base_offset = _append(partition, *values).base_offset
        expected += [(base_offset + index, value) for index, value in enumerate(values)]
    if reopened:
        partition.close()
        partition = open_partition(config)
    assert contents(partition, bytes_max) == expected
    assert all(len(data) <= bytes_max or len(list(batches(data))) == 1 for data in chunks(partition, bytes_max)), (
        "more than asked for"
    )
    for offset in range(0, len(expected), 7):
        header = read_header(partition.read(offset, bytes_max))
        assert header.base_offset <= offset <= header.last_offset
        assert contents(partition, up_to=offset) == expected[: header.base_offset]
    partition.close()


def test_a_segment_is_rolled_by_size_by_time_and_when_due(open_partition: Open, files: Files, folder: str) -> None:
    partition = open_partition(LogConfig(segment_bytes=1000, segment_ms=5000))

    def segments() -> int:
        return sum(name.endswith(".log") for name in files.listdir(f"{folder}/orders-0"))

    _append(partition, b"x" * 900)
    _append(partition, b"x" * 900)
    assert segments() == 2
    _append(partition, b"y", now_ms=NOW_MS + 5000)
    assert segments() == 3
    partition.roll_if_due(NOW_MS + 9999)
    assert segments() == 3
    partition.roll_if_due(NOW_MS + 10_000)
    partition.roll_if_due(NOW_MS + 99_000)
    assert segments() == 4
    assert [offset for offset, _ in contents(partition)] == [0, 1, 2]
    partition.close()


def test_a_repeated_batch_is_answered_with_its_first_offsets(open_partition: Open) -> None:
    partition = open_partition()
    sent = [batch(b"a", b"b", producer_id=7, producer_epoch=0, sequence=2 * n) for n in range(4)]
    for data in sent:
        partition.append(bytearray(data), now_ms=NOW_MS)
    assert partition.append(bytearray(sent[1]), now_ms=NOW_MS) == (2, 3, NO_TIMESTAMP, True)
    assert partition.end_offset == 8
    skipped = batch(b"c", producer_id=7, producer_epoch=0, sequence=9)
    assert _refusal(partition, skipped) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    partition.close()


@pytest.mark.parametrize("clean", [True, False])
def test_repeated_batches_are_recognised_after_a_restart(open_partition: Open, clean: bool) -> None:
    config = LogConfig(segment_bytes=400)
    partition = open_partition(config)
    sent = [batch(b"x" * 100, producer_id=7, producer_epoch=0, sequence=n) for n in range(20)]
    for number, data in enumerate(sent):
        partition.append(bytearray(data), now_ms=NOW_MS)
        if number % 3 == 0:
            partition.sync()
    partition.close(clean)
    partition = open_partition(config, clean=clean)
    for number in range(15, 20):
        assert partition.append(bytearray(sent[number]), now_ms=NOW_MS) == (number, number, NO_TIMESTAMP, True)
    assert _refusal(partition, sent[14]) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert partition.end_offset == 20
    partition.close()


def test_append_time_replaces_the_producers_timestamps(open_partition: Open) -> None:
    partition = open_partition(LogConfig(append_time=True))
    data = batch(b"a", b"b", timestamp=5, producer_id=7, producer_epoch=0, sequence=0)
    assert partition.append(bytearray(data), now_ms=NOW_MS) == (0, 1, NOW_MS, False)
    stored = partition.read(0, 1000)
    header = read_header(stored)
    assert (header.max_timestamp, header.has_append_time) == (NOW_MS, True)
    assert crc_matches(stored, 0, header)
    assert partition.append(bytearray(data), now_ms=NOW_MS + 9) == (0, 1, NOW_MS, True)
    assert partition.offset_for_time(NOW_MS) == (0, NOW_MS)
    partition.close()


def _with(data: bytearray, position: int, value: bytes) -> bytearray:
    data[position : position + len(value)] = value
    return data


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytearray(), ErrorCode.CORRUPT_MESSAGE),
        (bytearray(30), ErrorCode.CORRUPT_MESSAGE),
        (batch(b"x")[:-1], ErrorCode.CORRUPT_MESSAGE),
        (batch(b"x") + b"\0", ErrorCode.INVALID_RECORD),
        (batch(b"x") + batch(b"y"), ErrorCode.INVALID_RECORD),
        (_with(batch(b"x"), 65, b"?"), ErrorCode.CORRUPT_MESSAGE),
        (_with(batch(b"x"), 16, b"\x01"), ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (_with(batch(b"x"), 16, b"\x07"), ErrorCode.CORRUPT_MESSAGE),
        (_with(batch(b"x"), 23, b"\0\0\0\x05"), ErrorCode.INVALID_RECORD),
        (batch(b"x" * 2000), ErrorCode.MESSAGE_TOO_LARGE),
        (batch(b"x" * 900), ErrorCode.RECORD_LIST_TOO_LARGE),
        (batch(b"x", timestamp=NOW_MS + 3600_001), ErrorCode.INVALID_TIMESTAMP),
        (batch(b"x", producer_id=7), ErrorCode.INVALID_RECORD),
    ],
)
def test_what_must_not_be_sent_is_refused(open_partition: Open, data: bytearray, code: ErrorCode) -> None:
    partition = open_partition(LogConfig(message_bytes_max=1000, segment_bytes=900))
    _append(partition, b"before")
    assert _refusal(partition, data) == code
    assert _append(partition, b"after").base_offset == 1
    partition.close()


def test_records_without_timestamps_are_taken(open_partition: Open) -> None:
    partition = open_partition()
    partition.append(batch(b"x", timestamp=-1), now_ms=NOW_MS)
    assert partition.offset_for_time(0) is None
    assert partition.offset_of_max_timestamp() is None
    partition.close()


def test_offsets_by_time(open_partition: Open) -> None:
    partition = open_partition(LogConfig(segment_bytes=3000, index_interval_bytes=200))
    times = [NOW_MS + 10 * ((number * 7) % 50) for number in range(100)]
    expected = []
    for time_ms in times:
        base_offset = partition.append(batch(b"a", b"b", timestamp=time_ms), now_ms=NOW_MS).base_offset
        expected += [(base_offset, time_ms), (base_offset + 1, time_ms + 1)]
    for _ in range(2):
        for wanted in range(NOW_MS - 5, NOW_MS + 500, 3):
            first = next(((offset, time_ms) for offset, time_ms in expected if time_ms >= wanted), None)
            assert partition.offset_for_time(wanted) == first
        latest = max(time_ms for _, time_ms in expected)
        assert partition.offset_of_max_timestamp() == next(entry for entry in expected if entry[1] == latest)
        partition.close()
        partition = open_partition(LogConfig(segment_bytes=3000, index_interval_bytes=200))
    partition.delete_before(101)
    assert partition.offset_for_time(0) == expected[101]
    partition.close()


def test_offsets_by_time_are_those_of_shown_records_only(open_partition: Open) -> None:
    partition = open_partition(durability="fsync")
    _append(partition, b"a")
    partition.sync()
    _append(partition, b"b", now_ms=NOW_MS + 10)
    assert partition.offset_for_time(NOW_MS + 5) is None
    assert partition.offset_of_max_timestamp() == (0, NOW_MS)
    partition.sync()
    assert partition.offset_for_time(NOW_MS + 5) == (1, NOW_MS + 10)
    assert partition.offset_of_max_timestamp() == (1, NOW_MS + 10)
    partition.close()


@pytest.mark.parametrize("clean", [True, False])
def test_deleted_records_stay_deleted(open_partition: Open, files: Files, folder: str, clean: bool) -> None:
    config = LogConfig(segment_bytes=400)
    partition = open_partition(config)
    for number in range(20):
        _append(partition, b"%d" % number * 50)
    assert partition.delete_before(11) == 11
    assert partition.delete_before(5) == 11
    partition.close(clean)
    partition = open_partition(config, clean=clean)
    assert partition.log_start_offset == 11
    assert [offset for offset, _ in contents(partition)] == list(range(11, 20))
    with pytest.raises(ApiError):
        partition.delete_before(21)
    assert partition.delete_before(-1) == 20
    assert partition.read(20, 1000) == b""
    assert sum(name.endswith(".log") for name in files.listdir(f"{folder}/orders-0")) == 1
    assert _append(partition, b"next").base_offset == 20
    partition.close()


def test_retention_by_size_keeps_at_least_that_much(open_partition: Open) -> None:
    partition = open_partition(LogConfig(segment_bytes=400, retention_bytes=1000))
    for _ in range(20):
        _append(partition, b"x" * 100)
    partition.retain(NOW_MS)
    assert 1000 <= partition.size_bytes < 1400
    assert contents(partition)[-1][0] == 19
    partition.close()


def test_retention_by_time_removes_what_is_past_it(open_partition: Open) -> None:
    partition = open_partition(LogConfig(segment_bytes=400, retention_ms=1000))
    for number in range(20):
        _append(partition, b"x" * 100, now_ms=NOW_MS + 100 * number)
    partition.retain(NOW_MS + 1000)
    assert partition.log_start_offset == 0
    partition.retain(NOW_MS + 2000)
    assert 0 < partition.log_start_offset <= 10
    partition.retain(NOW_MS + 10_000)
    assert (partition.log_start_offset, partition.size_bytes) == (20, 0)
    assert _append(partition, b"next", now_ms=NOW_MS + 10_000).base_offset == 20
    partition.close()
    partition = open_partition()
    assert contents(partition) == [(20, b"next")]
    partition.close()


def test_retention_leaves_what_is_not_shown_and_what_is_compacted(open_partition: Open) -> None:
    partition = open_partition(LogConfig(segment_bytes=400, retention_ms=1000, retention_bytes=0), durability="fsync")
    for _ in range(20):
        _append(partition, b"x" * 100)
    partition.retain(NOW_MS + 10_000)
    assert partition.log_start_offset == 0
    partition.sync()
    partition.config = replace(partition.config, deletes=False)
    partition.retain(NOW_MS + 10_000)
    assert partition.log_start_offset == 0
    partition.close()


def test_epochs_end_where_the_next_began_also_after_a_restart(open_partition: Open, files: Files, folder: str) -> None:
    partition = open_partition()
    _append(partition, b"a")
    partition.leader_epoch = 2
    _append(partition, b"b", b"c")
    assert (partition.epoch_end(0), partition.epoch_end(1), partition.epoch_end(2)) == ((0, 1), (0, 1), (2, 3))
    partition.close()
    partition = open_partition()
    partition.leader_epoch = 2
    assert partition.epoch_end(1) == (0, 1)
    partition.close()
    files.remove(f"{folder}/orders-0/leader-epoch-checkpoint")
    partition = open_partition()
    assert partition.epoch_end(1) == (0, 1)
    partition.close()


def test_a_deleted_partition_is_gone_with_its_folder(open_partition: Open, files: Files, folder: str) -> None:
    partition = open_partition()
    _append(partition, b"a")
    partition.delete("0123")
    assert files.listdir(folder) == []
    with pytest.raises(ApiError):
        _append(partition, b"b")
    partition = open_partition()
    assert partition.end_offset == 0
    partition.delete("0124")


def test_a_closed_partition_takes_nothing_more(open_partition: Open) -> None:
    partition = open_partition()
    partition.close()
    with pytest.raises(ApiError) as caught:
        _append(partition, b"a")
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "zeroed", "shifted", "other offset"])
def test_damaged_indexes_are_built_anew(
    open_partition: Open, files: Files, folder: str, suffix: str, damage: str
) -> None:
    config = LogConfig(segment_bytes=20_000, index_interval_bytes=300)
    partition = open_partition(config)
    expected = []
    for number in range(200):
        value = b"%d" % number * 30
        expected.append((_append(partition, value, now_ms=NOW_MS + number).base_offset, value))
    partition.close()
    for name in files.listdir(f"{folder}/orders-0"):
        path = f"{folder}/orders-0/{name}"
        if name.endswith(suffix):
            data = files.read(path)
            files.remove(path)
            if damage != "missing":
                files.write(path, _damaged(data, damage), sync=False)
    partition = open_partition(config)
    for offset in (0, 17, 150, 199):
        header = read_header(partition.read(offset, 1000))
        assert header.base_offset <= offset <= header.last_offset
        found = partition.offset_for_time(NOW_MS + offset)
        assert found == (offset, NOW_MS + offset)
    assert contents(partition, 1000) == expected
    partition.close()


def _damaged(data: bytes, damage: str) -> bytes:
    if damage == "empty":
        return b""
    if damage == "torn":
        return data[:-3]
    if damage == "zeroed":
        return bytes(len(data))
    if damage == "shifted":
        return b"".join(data[at : at + 3] + bytes([data[at + 3] ^ 1]) for at in range(0, len(data), 4))
    return data[:16] + bytes([data[16] ^ 0x40]) + data[17:]


def test_a_damaged_batch_is_not_served(open_partition: Open, files: Files, folder: str) -> None:
    partition = open_partition()
    for number in range(10):
        _append(partition, b"%d" % number * 50)
    partition.close()
    path = f"{folder}/orders-0/{0:020d}.log"
    data = bytearray(files.read(path))
    data[len(data) // 2 + 80] ^= 1
    files.write(path, data, sync=False)
    partition = open_partition()
    with pytest.raises(DiskError, match=r"position \d+: the batch at offset 5 is damaged"):
        partition.read(0, 1 << 20)
    assert len(contents(partition, up_to=5)) == 5
    partition.close()
