"""Transactions in one partition: who may write in them, up to where all is decided, what was aborted."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

import pytest
from tests.log.batches import NOW_MS, contents, naming

from tidings.log.config import LogConfig
from tidings.log.log import Appended
from tidings.log.memory_files import MemoryFiles
from tidings.log.partition import Partition
from tidings.log.transactions import Marker, read_marker
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import Record, batches, encode_batch, read_header, records

PATH = "orders-0"
CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=100, recovery_bytes=300)


def open_log(files: MemoryFiles, *, clean: bool = True, config: LogConfig = CONFIG, fsync: bool = True) -> Partition:
    durability = "fsync" if fsync else "os"
    return Partition.open(files, PATH, config, now_ms=NOW_MS, clean=clean, durability=durability)  # type: ignore[arg-type]


def transactional(producer_id: int, sequence: int = 0, *, epoch: int = 0, count: int = 1) -> bytearray:
    return encode_batch(
        [Record(0, NOW_MS, b"key", b"%d/%d" % (producer_id, sequence + index), ()) for index in range(count)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=True,
    )


def write(log: Partition, producer_id: int, sequence: int = 0, *, epoch: int = 0, count: int = 1) -> Appended:
    return log.append(transactional(producer_id, sequence, epoch=epoch, count=count), now_ms=NOW_MS)


def end(log: Partition, producer_id: int, epoch: int = 0, *, commit: bool = True, coordinator_epoch: int = 0) -> int:
    """The marker's offset."""
    appended = log.append_marker(producer_id, epoch, commit=commit, coordinator_epoch=coordinator_epoch, now_ms=NOW_MS)
    return appended.base_offset


def plain(log: Partition, producer_id: int = -1, sequence: int = -1) -> int:
    epoch = 0 if producer_id >= 0 else -1
    data = encode_batch(
        [Record(0, NOW_MS, None, b"plain", ())],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
    )
    return log.append(data, now_ms=NOW_MS).base_offset


def refused(code: ErrorCode) -> pytest.RaisesExc[ApiError]:
    return pytest.raises(ApiError, check=lambda error: error.code == code)


@pytest.fixture
def log() -> Partition:
    return open_log(MemoryFiles())


def test_the_last_stable_offset_waits_for_the_oldest_transaction(log: Partition) -> None:
    plain(log)
    write(log, 7)
    write(log, 8)
    plain(log)
    log.sync()
    assert (log.last_stable_offset, log.high_watermark) == (1, 4)
    end(log, 8)
    log.sync()
    assert log.last_stable_offset == 1
    end(log, 7)
    log.sync()
    assert log.last_stable_offset == log.high_watermark == 6


def test_a_transaction_is_decided_when_its_marker_is_on_the_disk(log: Partition) -> None:
    write(log, 7)
    log.sync()
    end(log, 7, commit=False)
    assert log.last_stable_offset == 0
    assert log.open_transactions() == []
    write(log, 7, 1)
    assert log.last_stable_offset == 0
    log.sync()
    assert (log.last_stable_offset, log.high_watermark) == (2, 3)


def test_with_durability_os_the_marker_counts_at_once() -> None:
    log = open_log(MemoryFiles(), fsync=False)
    write(log, 7)
    assert log.last_stable_offset == 0
    end(log, 7)
    assert log.last_stable_offset == 2


def test_what_is_not_shown_is_not_stable(log: Partition) -> None:
    plain(log)
    assert log.last_stable_offset == 0
    write(log, 7)
    log.sync()
    plain(log)
    assert log.last_stable_offset == 1


def test_aborted_transactions_are_told_with_their_last_stable_offset(log: Partition) -> None:
    write(log, 7)
    write(log, 8)
    end(log, 7, commit=False)
    end(log, 8, commit=False)
    write(log, 7, 1)
    end(log, 7, commit=True)
    log.sync()
    assert [tuple(txn) for txn in log.aborted(0, 10)] == [(7, 0, 2, 1), (8, 1, 3, 4)]
    assert [txn.producer_id for txn in log.aborted(3, 10)] == [8]
    assert [txn.producer_id for txn in log.aborted(0, 1)] == [7]
    assert log.aborted(4, 10) == []


def test_the_marker_is_kafkas(log: Partition) -> None:
    write(log, 7)
    offset = end(log, 7, 3, commit=True, coordinator_epoch=5)
    log.sync()
    data = log.read(offset, 1000)
    header = read_header(data)
    assert header.attributes == 0x30
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, -1)
    assert (header.record_count, header.max_timestamp) == (1, NOW_MS)
    (record,) = records(data)
    assert record.key == pack(">hh", 0, 1)
    assert record.value == pack(">hi", 0, 5)
    assert read_marker(data) == Marker(7, 3, True, 5)
    end(log, 7, 3, commit=False, coordinator_epoch=5)
    log.sync()
    (record,) = records(log.read(offset + 1, 1000))
    assert record.key == pack(">hh", 0, 0)


def test_a_control_batch_without_a_marker_marks_nothing() -> None:
    for key, value in ((None, None), (b"\0\0\0\2", pack(">hi", 0, 0)), (b"\0\0", b"\0\0")):
        with naming(repr(key)):
            batch = encode_batch([Record(0, 0, key, value, ())], producer_id=7, producer_epoch=0, is_control=True)
            assert read_marker(batch) is None


def test_only_the_broker_writes_markers(log: Partition) -> None:
    with refused(ErrorCode.INVALID_RECORD):
        log.append(Marker(7, 0, True, 0).encode(NOW_MS), now_ms=NOW_MS)
    with refused(ErrorCode.INVALID_RECORD):
        log.append(encode_batch([Record(0, NOW_MS, None, b"", ())], is_transactional=True), now_ms=NOW_MS)
    assert log.end_offset == 0


def test_within_a_transaction_its_producer_writes_nothing_else(log: Partition) -> None:
    write(log, 7)
    with refused(ErrorCode.INVALID_TXN_STATE):
        plain(log, 7, 1)
    end(log, 7)
    assert plain(log, 7, 1) == 2


def test_sequence_numbers_go_on_after_a_marker_of_the_same_epoch(log: Partition) -> None:
    write(log, 7, count=3)
    end(log, 7)
    with refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER):
        write(log, 7, 0)
    assert write(log, 7, 3).base_offset == 4


def test_a_marker_of_a_new_epoch_ends_the_old_one(log: Partition) -> None:
    write(log, 7)
    end(log, 7, 1)
    for sequence in (0, 1):
        with refused(ErrorCode.INVALID_PRODUCER_EPOCH):
            write(log, 7, sequence)
    with refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER):
        write(log, 7, 1, epoch=1)
    assert log.open_transactions() == []
    write(log, 7, 0, epoch=1)
    assert [state.first_offset for state in log.open_transactions()] == [2]


def test_a_marker_fences_a_producer_that_never_wrote_here(log: Partition) -> None:
    end(log, 7, 4)
    with refused(ErrorCode.INVALID_PRODUCER_EPOCH):
        write(log, 7, 0, epoch=3)


def test_late_markers_are_refused(log: Partition) -> None:
    write(log, 7, epoch=2)
    with refused(ErrorCode.INVALID_PRODUCER_EPOCH):
        end(log, 7, 1)
    assert log.has_open_transaction(7)
    end(log, 7, 2, coordinator_epoch=6)
    with refused(ErrorCode.TRANSACTION_COORDINATOR_FENCED):
        end(log, 7, 2, coordinator_epoch=5)
    assert log.end_offset == 2


def test_a_marker_again_changes_nothing(log: Partition) -> None:
    write(log, 7)
    end(log, 7, 1, commit=False)
    end(log, 7, 1, commit=False)
    log.sync()
    assert len(log.aborted(0, 100)) == 1
    assert log.last_stable_offset == log.high_watermark == 3
    write(log, 7, epoch=1)


def test_a_repeated_batch_of_an_ended_transaction_begins_none(log: Partition) -> None:
    write(log, 7)
    end(log, 7)
    again = write(log, 7)
    assert (again.base_offset, again.duplicate) == (0, True)
    assert not log.has_open_transaction(7)


def test_batches_with_unchecked_sequences_are_transactional_too(log: Partition) -> None:
    for expected in (0, 1):
        appended = log.append(transactional(7), now_ms=NOW_MS, check_sequences=False)
        assert (appended.base_offset, appended.duplicate) == (expected, False)
    assert [state.first_offset for state in log.open_transactions()] == [0]
    end(log, 7, 1)
    with refused(ErrorCode.INVALID_PRODUCER_EPOCH):
        log.append(transactional(7), now_ms=NOW_MS, check_sequences=False)


def test_what_is_known_of_producers_is_told(log: Partition) -> None:
    write(log, 7, count=2)
    end(log, 8, 3, coordinator_epoch=4)
    states = {state.producer_id: tuple(state)[1:] for state in log.producers()}
    assert states == {7: (0, 1, NOW_MS, -1, 0), 8: (3, -1, NOW_MS, 4, -1)}


def test_a_producer_with_a_transaction_is_not_forgotten(log: Partition) -> None:
    write(log, 7)
    end(log, 8)
    log.retain(NOW_MS + CONFIG.producer_expiration_ms + 1)
    assert [state.producer_id for state in log.producers()] == [7]


def test_deleting_records_moves_the_last_stable_offset_as_in_kafka(log: Partition) -> None:
    """Retention does not wait for a transaction that hangs."""
    write(log, 7)
    for _ in range(20):
        plain(log)
    log.sync()
    assert log.last_stable_offset == 0
    log.delete_before(15)
    assert log.last_stable_offset == log.log_start_offset == 15
    assert log.has_open_transaction(7)
    end(log, 7, commit=False)
    log.sync()
    assert log.last_stable_offset == 22


def _many(log: Partition, count: int = 30) -> None:
    """Two producers; each third transaction of them is aborted."""
    for number in range(count):
        producer_id = 7 + number % 2
        write(log, producer_id, number // 2)
        if number % 4 >= 2:
            end(log, producer_id, commit=number % 3 == 0)
    log.sync()


def told(log: Partition) -> tuple[object, ...]:
    return log.last_stable_offset, log.aborted(0, 10_000), log.producers()


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "killed"])
@pytest.mark.parametrize("recovery_bytes", [1, 300, 1 << 20])
def test_all_is_known_again_after_a_restart(clean: bool, recovery_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    files = MemoryFiles()
    config = LogConfig(segment_bytes=500, index_interval_bytes=100, recovery_bytes=recovery_bytes)
    log = open_log(files, config=config)
    _many(log)
    before = told(log)
    assert len(log.aborted(0, 10_000)) > 3
    log.close(clean)
    files.power_cut()
    log = open_log(files, clean=clean, config=config)
    assert told(log) == before
    assert "told anew" not in caplog.text, "a stop damages nothing"
    log.close()


@pytest.mark.parametrize("suffix", [".txnindex", ".snapshot", ".index"])
def test_files_beside_the_log_may_be_lost(suffix: str) -> None:
    files = MemoryFiles()
    log = open_log(files)
    _many(log)
    before = told(log)
    log.close()
    doomed = [name for name in files.listdir(PATH) if name.endswith(suffix)]
    assert len(doomed) > 1
    for name in doomed:
        files.remove(f"{PATH}/{name}")
    log = open_log(files)
    assert told(log) == before
    log.close()
    if suffix == ".txnindex":
        assert {name for name in files.listdir(PATH) if name.endswith(suffix)} == set(doomed)


def test_a_damaged_txnindex_is_told_anew_from_the_log() -> None:
    files = MemoryFiles()
    log = open_log(files)
    _many(log)
    before = told(log)
    log.close()
    name = next(name for name in files.listdir(PATH) if name.endswith(".txnindex"))
    data = files.read(f"{PATH}/{name}")
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        files.write(f"{PATH}/{name}", bytes(damaged), sync=True)
        log = open_log(files)
        assert told(log) == before
        log.close(clean=False)


def test_a_deleted_segment_takes_its_txnindex_along() -> None:
    files = MemoryFiles()
    log = open_log(files)
    _many(log)
    log.delete_before(log.high_watermark)
    first = log._segments.base_offsets[0]
    names = [name for name in files.listdir(PATH) if name.endswith(".txnindex")]
    assert all(int(name.partition(".")[0]) >= first for name in names)
    assert all(txn.last_offset >= first for txn in log.aborted(0, 10_000))
    before = told(log)
    log.close(clean=False)
    files.power_cut()
    log = open_log(files, clean=False)
    assert told(log) == before
    log.close()


def test_readers_of_all_see_what_is_in_transactions(log: Partition) -> None:
    write(log, 7)
    end(log, 7, commit=False)
    write(log, 8)
    log.sync()
    assert [offset for offset, _ in contents(log)] == [0, 1, 2]
    stable = log.read(0, 1 << 20, up_to=log.last_stable_offset)
    assert [header.base_offset for _, header in batches(stable)] == [0, 1]


def _while_syncing(files: MemoryFiles, log: Partition, action: Callable[[], object]) -> None:
    """Sync, and let `action` happen while the disk is at it: what it appends waits for the next sync."""

    def inject(operation: str, path: str) -> None:
        if operation == "sync":
            files.inject = None
            action()

    files.inject = inject
    log.sync()
    assert files.inject is None


def test_a_marker_that_comes_during_a_sync_waits_for_the_next() -> None:
    files = MemoryFiles()
    log = open_log(files, config=LogConfig())
    write(log, 7)
    write(log, 8)
    end(log, 7)
    _while_syncing(files, log, lambda: end(log, 8, commit=False))
    assert (log.last_stable_offset, log.high_watermark) == (1, 3)
    log.sync()
    assert log.last_stable_offset == log.high_watermark == 4
    log.close()


def test_what_compaction_or_a_crash_leaves_beside_no_log_is_removed() -> None:
    files = MemoryFiles()
    log = open_log(files)
    _many(log)
    log.close()
    files.write(f"{PATH}/{99_999:020d}.txnindex", b"x" * 34, sync=True)
    log = open_log(files)
    assert f"{99_999:020d}.txnindex" not in files.listdir(PATH)
    log.close()
