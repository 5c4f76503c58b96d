"""Compaction: of each key the latest record stays, at its offset, whatever happens in between."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.log.batches import NOW_MS, chunks, naming

from tidings.errors import DiskError
from tidings.log.config import LogConfig
from tidings.log.disk_files import DiskFiles
from tidings.log.files import Files
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.log.partition import Partition
from tidings.log.recovery import valid_batches
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ApiError
from tidings.wire.records import BatchHeader, Record, batches, crc_matches, encode_batch, records

PATH = "customers-0"
Pair = tuple[bytes | None, bytes | None]
CONFIG = LogConfig(
    segment_bytes=500,
    index_interval_bytes=100,
    compacts=True,
    deletes=False,
    dirty_ratio_min=0,
    delete_retention_ms=1000,
)


def open_log(files: Files, config: LogConfig = CONFIG, *, clean: bool = True) -> Partition:
    return Partition.open(files, PATH, config, now_ms=NOW_MS, clean=clean)


def write(log: Partition, *pairs: Pair, **options: Any) -> int:
    """One batch; its base offset."""
    data = encode_batch([Record(0, NOW_MS, key, value, ()) for key, value in pairs], **options)
    return log.append(data, now_ms=NOW_MS).base_offset


def fill(log: Partition, count: int, keys: int = 5) -> None:
    """Records of `keys` keys, one after the other, some hundred bytes each."""
    for number in range(count):
        write(log, (b"key-%d" % (number % keys), b"%d:" % number + b"x" * 80))


def stored(log: Partition, bytes_max: int = 1 << 20) -> dict[int, Pair]:
    """Key and value of every record, by offset; checksums and order are checked."""
    found: dict[int, Pair] = {}
    for data in chunks(log, bytes_max):
        for position, header in batches(data):
            assert crc_matches(data, position, header)
            for record in records(data, position):
                assert header.base_offset <= record.offset <= header.last_offset
                assert record.offset > max(found, default=-1)
                found[record.offset] = record.key, record.value
    return found


def headers(log: Partition) -> list[BatchHeader]:
    return [header for data in chunks(log) for _, header in batches(data)]


def latest(found: Iterable[tuple[int, Pair]]) -> dict[bytes | None, bytes]:
    """What a consumer that reads all ends up with: deleted keys are not there."""
    state: dict[bytes | None, bytes] = {}
    for _, (key, value) in sorted(found):
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return state


def test_the_latest_record_of_each_key_stays_at_its_offset() -> None:
    log = open_log(MemoryFiles())
    fill(log, 40)
    log.sync()
    before = stored(log)
    done = log.compact(NOW_MS)
    assert done is not None
    assert done.bytes_after < done.bytes_before
    after = stored(log)
    active = log._segments.last.base_offset
    expected = {offset: pair for offset, pair in before.items() if offset >= active}
    clean = {pair[0]: offset for offset, pair in before.items() if offset < active}
    expected.update({offset: before[offset] for offset in clean.values()})
    assert after == expected
    assert log.end_offset == 40
    log.close()


def test_nothing_is_done_before_enough_is_dirty() -> None:
    config = LogConfig(segment_bytes=500, compacts=True, dirty_ratio_min=0.5)
    log = open_log(MemoryFiles(), config)
    fill(log, 40, keys=40)
    log.sync()
    assert log.compact(NOW_MS) is not None
    assert log.compact(NOW_MS) is None
    fill(log, 10)
    log.sync()
    assert log.compact(NOW_MS) is None
    fill(log, 40)
    log.sync()
    assert log.compact(NOW_MS) is not None
    log.close()


def test_what_is_too_young_waits_and_what_waits_too_long_does_not() -> None:
    log = open_log(MemoryFiles(), LogConfig(segment_bytes=500, compacts=True, compaction_lag_ms_min=1000))
    fill(log, 40)
    log.sync()
    assert log.compact(NOW_MS + 999) is None
    log.config = LogConfig(segment_bytes=500, compacts=True, dirty_ratio_min=1, compaction_lag_ms_max=1000)
    assert log.compact(NOW_MS + 1000) is None
    assert log.compact(NOW_MS + 1001) is not None
    log.close()


def test_a_segment_is_closed_when_it_has_to_be_compacted() -> None:
    log = open_log(MemoryFiles(), LogConfig(compacts=True, dirty_ratio_min=1, compaction_lag_ms_max=1000))
    fill(log, 10)
    log.sync()
    log.roll_if_due(NOW_MS + 1000)
    log.sync()
    assert log.compact(NOW_MS + 1001) is not None
    assert len(stored(log)) == 5
    log.close()


def test_only_what_is_on_the_disk_is_compacted() -> None:
    log = open_log(MemoryFiles())
    fill(log, 40)
    assert log.compact(NOW_MS) is None
    log.close()


def test_a_tombstone_goes_some_time_after_it_was_met() -> None:
    log = open_log(MemoryFiles())
    write(log, (b"a", b"1"), (b"b", b"1"))
    tombstone = write(log, (b"a", None), (b"c", b"1"))
    fill(log, 10)
    log.sync()
    log.compact(NOW_MS)
    assert stored(log)[tombstone] == (b"a", None)
    assert [h.delete_horizon_ms for h in headers(log) if h.base_offset == tombstone] == [NOW_MS + 1000]
    assert [r.timestamp for data in chunks(log) for r in records(data)][:2] == [NOW_MS] * 2
    for later_ms, is_there in [(999, True), (1000, False)]:
        fill(log, 10)
        log.sync()
        assert log.compact(NOW_MS + later_ms) is not None
        assert (tombstone in stored(log)) == is_there
        assert tombstone + 1 in stored(log)
    log.close()


@pytest.mark.parametrize("compression", Compression)
def test_batches_keep_compression_producer_times_and_headers(compression: Compression) -> None:
    log = open_log(MemoryFiles())
    entries = [Record(0, NOW_MS + 10 * i, b"k%d" % (i % 3), b"v%d" % i, [("h", b"%d" % i)]) for i in range(9)]
    data = encode_batch(entries, compression=compression, producer_id=7, producer_epoch=2, base_sequence=5)
    log.append(data, now_ms=NOW_MS)
    fill(log, 10)
    log.sync()
    log.compact(NOW_MS)
    first = next(chunks(log))
    _, header = next(batches(first))
    assert (header.base_offset, header.last_offset_delta, header.record_count) == (0, 8, 3)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 2, 5)
    assert header.compression is compression
    assert header.max_timestamp == NOW_MS + 80
    assert list(records(first)) == [entry._replace(offset=6 + i) for i, entry in enumerate(entries[6:])]
    log.close()


def test_a_producer_is_known_by_its_last_batch_though_it_is_empty() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for sequence in range(3):
        write(log, (b"key-0", b"old"), producer_id=9, producer_epoch=0, base_sequence=sequence)
    fill(log, 20)
    log.sync()
    log.compact(NOW_MS)
    empty = [header for header in headers(log) if header.producer_id == 9]
    assert [(h.base_offset, h.record_count, h.last_sequence) for h in empty] == [(2, 0, 2)]
    log.close()
    for name in files.listdir(PATH):
        if name.endswith(".snapshot"):
            files.remove(f"{PATH}/{name}")
    log = open_log(files, clean=False)
    with pytest.raises(ApiError):
        write(log, (b"a", b"x"), producer_id=9, producer_epoch=0, base_sequence=7)
    write(log, (b"a", b"x"), producer_id=9, producer_epoch=0, base_sequence=3)
    log.close()


def test_records_without_a_key_stay() -> None:
    log = open_log(MemoryFiles())
    for number in range(20):
        write(log, (None, b"%d" % number + b"x" * 80))
    log.sync()
    log.compact(NOW_MS)
    assert len(stored(log)) == 20
    log.close()


def test_many_keys_take_several_rounds() -> None:
    log = open_log(MemoryFiles())
    for _ in range(2):
        fill(log, 60, keys=30)
    fill(log, 10, keys=1)
    log.sync()
    expected = latest(stored(log).items())
    rounds = 0
    while log.compact(NOW_MS, keys_max=7):
        rounds += 1
        assert latest(stored(log).items()) == expected
    assert rounds > 3
    assert len(stored(log)) < 45
    log.close()


def test_small_segments_become_one() -> None:
    files = MemoryFiles()
    log = open_log(files)
    for _ in range(5):
        fill(log, 60)
        log.sync()
        log.compact(NOW_MS)
    assert len([name for name in files.listdir(PATH) if name.endswith(".log")]) <= 3
    log.close()


@pytest.mark.parametrize("bytes_max", [1, 150, 1 << 20])
def test_any_offset_can_be_read_from(bytes_max: int) -> None:
    log = open_log(MemoryFiles())
    fill(log, 60)
    log.sync()
    log.compact(NOW_MS)
    there = sorted(stored(log, bytes_max))
    for offset in range(60):
        following = next(found for found in there if found >= offset)
        first = [
            r.offset for data in chunks(log, bytes_max, offset=offset) for r in _records(data) if r.offset >= offset
        ]
        assert first[0] == following
    log.close()


def _records(data: bytes) -> list[Record]:
    return [record for position, _ in batches(data) for record in records(data, position)]


def test_times_are_found_among_what_is_left() -> None:
    log = open_log(MemoryFiles())
    for number in range(40):
        data = encode_batch([Record(0, NOW_MS + number, b"k%d" % (number % 3), b"x" * 90, ())])
        log.append(data, now_ms=NOW_MS)
    log.sync()
    log.compact(NOW_MS)
    times = {record.offset: record.timestamp for data in chunks(log) for record in _records(data)}
    for wanted in range(NOW_MS, NOW_MS + 40):
        expected = next((offset, time) for offset, time in times.items() if time >= wanted)
        assert log.offset_for_time(wanted) == expected
    assert log.offset_of_max_timestamp() == (39, NOW_MS + 39)
    log.close()


def test_a_deletion_during_a_round_is_made_at_once_and_its_files_go_later() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 60, keys=60)
    log.sync()
    asked = iter([True])

    def pause(_: int) -> None:
        if next(asked, False):
            assert log.delete_before(30) == 30

    log.compact(NOW_MS, pause=pause)
    assert min(stored(log)) <= 30
    with pytest.raises(ApiError):
        log.read(29, 1000)
    size = log.size_bytes
    log.retain(NOW_MS)
    assert log.size_bytes < size
    log.close()


def test_who_reads_and_writes_meanwhile_sees_every_key() -> None:
    log = open_log(MemoryFiles())
    fill(log, 60)
    log.sync()
    count = 60

    def pause(_: int) -> None:
        nonlocal count
        write(log, (b"key-%d" % (count % 5), b"%d:" % count))
        count += 1
        log.sync()
        state = latest(stored(log).items())
        assert {int((value or b"").partition(b":")[0]) for value in state.values()} == set(range(count - 5, count))

    assert log.compact(NOW_MS, pause=pause) is not None
    log.close()


def test_a_thread_that_compacts_and_one_that_reads_and_writes_do_not_meet(tmp_path: Path) -> None:
    """Also when files give up their descriptors all the time, and are opened again by name."""
    log = Partition.open(DiskFiles(2), str(tmp_path / PATH), CONFIG, now_ms=NOW_MS, clean=True)
    fill(log, 60)
    log.sync()
    rounds = 0

    def compact() -> None:
        nonlocal rounds
        while rounds < 30:
            rounds += log.compact(NOW_MS) is not None
            log.retain(NOW_MS)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(compact)
        while not done.done():
            fill(log, 10)
            log.sync()
            found = stored(log, 700)
            assert set(latest(found.items())) == {b"key-%d" % number for number in range(5)}
            assert log.offset_for_time(NOW_MS) is not None
        done.result()
    log.close()


def test_closing_ends_a_round() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 60)
    log.sync()

    def pause(_: int) -> None:
        log._is_closing = True

    assert log.compact(NOW_MS, pause=pause) is None
    log.close()
    log = open_log(files)
    assert len(stored(log)) == 60
    assert not [name for name in files.listdir(PATH) if name.endswith(".cleaned")]
    log.close()


def test_a_full_disk_ends_a_round_and_is_as_full_as_before() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 60, keys=30)
    log.sync()
    used_bytes = files.used_bytes
    files.space_bytes = used_bytes + 400
    with pytest.raises(DiskError, match="No space left"):
        log.compact(NOW_MS)
    assert files.used_bytes <= used_bytes + 200  # of which is the note that a round has begun
    assert len(stored(log)) == 60
    files.space_bytes = None
    assert log.compact(NOW_MS) is not None
    assert len(stored(log)) < 40
    log.close()


def test_a_damaged_batch_ends_a_round_and_is_not_touched() -> None:
    files = MemoryFiles()
    log = open_log(files)
    fill(log, 60)
    log.sync()
    log.close()
    files.corrupt(f"{PATH}/{0:020d}.log", 100, b"\xff")
    log = open_log(files)
    with pytest.raises(DiskError):
        log.compact(NOW_MS)
    files.corrupt(f"{PATH}/{0:020d}.log", 100, b"x")
    assert len(stored(log)) == 60
    log.close()


def test_a_missing_offset_is_a_gap_only_where_something_was_compacted() -> None:
    files = MemoryFiles()
    file = files.create("segment")
    for offset in (0, 4, 6, 7):
        file.append(encode_batch([Record(0, NOW_MS, b"a", b"b", ())] * 2, base_offset=offset))
    found = [[h.base_offset for _, h in valid_batches(file, 0, 0, gaps_to)] for gaps_to in (0, 4, 5, 9)]
    assert found == [[0], [0], [0, 4, 6], [0, 4, 6]]
    assert [h.base_offset for _, h in valid_batches(file, 0, 1, 9)] == []


# Any sequence.

KEYS = [b"a", b"b", b"c", b"d" * 40, None]
pairs = st.tuples(st.sampled_from(KEYS), st.none() | st.integers(0, 60).map(lambda size: b"v" * size))
operations = st.one_of(
    st.tuples(
        st.just("write"), st.lists(pairs, min_size=1, max_size=6), st.sampled_from([-1, 4]), st.sampled_from([0, 3])
    ),
    st.tuples(st.just("compact"), st.sampled_from([1, 3, 1000]), st.sampled_from([0, 600])),
    st.tuples(st.just("restart"), st.booleans()),
)


@given(st.lists(operations, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_sequence_of_writes_and_rounds_keeps_what_counts(steps: list[Any]) -> None:
    files = MemoryFiles()
    log = open_log(files)
    model: dict[int, Pair] = {}
    sequence = 0
    now_ms = NOW_MS
    with suppress(StopIteration):
        for step in steps:
            match step:
                case ("write", written, producer_id, compression):
                    options: dict[str, Any] = {"compression": Compression(compression)}
                    if producer_id >= 0:
                        options |= {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": sequence}
                        sequence += len(written)
                    base = write(log, *written, **options)
                    model.update({base + index: pair for index, pair in enumerate(written)})
                    log.sync()
                case ("compact", keys_max, later_ms):
                    now_ms += later_ms
                    log.compact(now_ms, keys_max=keys_max)
                case ("restart", clean):
                    log.close(clean)
                    log = open_log(files, clean=clean)
            found = stored(log)
            assert found.items() <= model.items()
            active = log._segments.last.base_offset if len(log._segments) else 0
            untouched = {o: pair for o, pair in model.items() if o >= active or pair[0] is None}
            assert untouched.items() <= found.items()
            assert latest((o, p) for o, p in found.items() if p[0]) == latest((o, p) for o, p in model.items() if p[0])
    log.close()


# Power cuts and failing disks.


class PowerCut(Exception):
    """The lights go out."""


class Life:
    """Writes and rounds. Whatever was synced, the latest of it is there."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.log: Partition | None = None
        self.written: dict[int, Pair] = {}
        self.synced = 0

    def steps(self) -> list[Callable[[], object]]:
        some = [*[self.write] * 6, self.sync]
        rounds = [*some, self.compact, *some, self.delete, self.compact, self.compact_later]
        return [self.open, *rounds, self.close, self.open, *rounds, self.close]

    def open(self, clean: bool = True) -> None:
        self.log = open_log(self.files, clean=clean)

    def write(self) -> None:
        assert self.log is not None
        number = len(self.written)
        pair = b"key-%d" % (number % 4), b"%d:" % number + b"x" * 80
        self.written[write(self.log, pair)] = pair

    def sync(self) -> None:
        assert self.log is not None
        self.log.sync()
        self.synced = self.log.end_offset

    def delete(self) -> None:
        assert self.log is not None
        pair: Pair = b"key-1", None
        self.written[write(self.log, pair)] = pair
        for _ in range(6):
            offset = write(self.log, (b"other", b"y" * 90))
            self.written[offset] = (b"other", b"y" * 90)
        self.log.sync()
        self.synced = self.log.end_offset

    def compact(self, later_ms: int = 0) -> None:
        assert self.log is not None
        self.log.compact(NOW_MS + later_ms)

    def compact_later(self) -> None:
        self.compact(5000)

    def close(self) -> None:
        assert self.log is not None
        self.log.close()

    def check(self) -> None:
        self.open(clean=False)
        assert self.log is not None
        found = stored(self.log)
        assert self.log.end_offset >= self.synced
        end = self.log.end_offset
        assert found.items() <= self.written.items()
        assert latest(found.items()) == latest((o, p) for o, p in self.written.items() if o < end)
        assert not [name for name in self.files.listdir(PATH) if name.endswith(".cleaned")]
        names = [name for name in self.files.listdir(PATH) if name.endswith(".log")]
        assert len(names) == len(self.log._segments)


def _operations() -> int:
    life = Life()
    seen = []
    life.files.inject = lambda operation, path: seen.append(operation)
    for step in life.steps():
        step()
    return len(seen)


OPERATIONS = _operations()
PARTS = 4
each_part = pytest.mark.parametrize("part", range(PARTS))


def _lived_until(count: int) -> Life:
    life = Life()
    left = iter(range(count))

    def inject(operation: str, path: str) -> None:
        if next(left, None) is None:
            raise PowerCut

    life.files.inject = inject
    with suppress(PowerCut):
        for step in life.steps():
            step()
    life.files.inject = None
    return life


@each_part
def test_a_power_cut_at_any_operation_costs_no_key_its_latest_value(part: int) -> None:
    for count in range(part, OPERATIONS, PARTS):
        for seed in (None, 1, 2):
            with naming(f"operation {count}, seed {seed}"):
                life = _lived_until(count)
                life.files.power_cut(None if seed is None else Random(10 * count + seed))
                life.check()
                _go_on(life)


@each_part
def test_a_killed_process_costs_no_key_its_latest_value(part: int) -> None:
    for count in range(part, OPERATIONS, PARTS):
        with naming(f"operation {count}"):
            life = _lived_until(count)
            life.check()
            _go_on(life)


def _go_on(life: Life) -> None:
    """The next rounds are as good, and the next start is a clean one."""
    assert life.log is not None
    life.written = {offset: pair for offset, pair in life.written.items() if offset < life.log.end_offset}
    for _ in range(12):
        pair = b"key-2", b"%d" % life.log.end_offset + b"z" * 80
        life.written[write(life.log, pair)] = pair
    life.log.sync()
    life.log.compact(NOW_MS)
    life.close()
    life.open(clean=True)
    assert latest(stored(life.log).items()) == latest(life.written.items())


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@each_part
def test_a_failing_operation_costs_no_key_its_latest_value(part: int, number: int) -> None:
    for count in range(part, OPERATIONS, PARTS):
        with naming(f"operation {count}"):
            life = Life()
            seen = iter(range(count + 1))
            life.files.inject = lambda _, __, seen=seen, count=count: (
                Fault(number, 1) if next(seen, None) == count else None
            )
            for step in life.steps():
                try:
                    step()
                except (DiskError, ApiError):
                    if life.log is None or life.log.offline_reason is not None:
                        break
            life.files.inject = None
            if life.log is not None:
                with suppress(DiskError, ApiError):
                    stored(life.log)
            life.files.power_cut()
            life.check()
