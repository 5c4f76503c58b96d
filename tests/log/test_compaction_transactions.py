"""Compaction and transactions: a consumer of what is committed sees what it would have seen."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.log.batches import NOW_MS, naming

from tidings.log.config import LogConfig
from tidings.log.files import Files
from tidings.log.memory_files import MemoryFiles
from tidings.log.partition import Partition
from tidings.log.transactions import read_marker
from tidings.wire.records import Record, batches, encode_batch, records

PATH = "customers-0"
Pair = tuple[bytes, bytes | None]
CONFIG = LogConfig(
    segment_bytes=600,
    index_interval_bytes=100,
    compacts=True,
    deletes=False,
    dirty_ratio_min=0,
    delete_retention_ms=1000,
)


class Writers:
    """Producers of transactions, and what a consumer of what is committed should know."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.log = self._open(clean=True)
        self.open: dict[int, dict[int, Pair]] = {}
        self.committed: dict[int, Pair] = {}
        self.sequences: dict[int, int] = {}

    def _open(self, clean: bool) -> Partition:
        return Partition.open(self.files, PATH, CONFIG, now_ms=NOW_MS, clean=clean)

    def write(self, producer_id: int, *pairs: Pair) -> None:
        """In the producer's transaction; producer 0 writes outside of any."""
        transactional = producer_id > 0
        sequence = self.sequences.get(producer_id, 0)
        self.sequences[producer_id] = sequence + len(pairs)
        data = encode_batch(
            [Record(0, NOW_MS, key, value, ()) for key, value in pairs],
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=sequence,
            is_transactional=transactional,
        )
        base = self.log.append(data, now_ms=NOW_MS).base_offset
        written = {base + index: pair for index, pair in enumerate(pairs)}
        if transactional:
            self.open.setdefault(producer_id, {}).update(written)
        else:
            self.committed.update(written)
        self.log.sync()

    def end(self, producer_id: int, commit: bool) -> None:
        self.log.append_marker(producer_id, 0, commit=commit, now_ms=NOW_MS)
        written = self.open.pop(producer_id, {})
        if commit:
            self.committed.update(written)
        self.log.sync()

    def restart(self, clean: bool) -> None:
        self.log.close(clean)
        self.log = self._open(clean)

    def expected(self) -> dict[bytes, bytes]:
        """The latest value of each key, up to the last stable offset."""
        return _latest({offset: p for offset, p in self.committed.items() if offset < self.log.last_stable_offset})


def _latest(found: dict[int, Pair]) -> dict[bytes, bytes]:
    state: dict[bytes, bytes] = {}
    for _, (key, value) in sorted(found.items()):
        state.pop(key, None)
        if value is not None:
            state[key] = value
    return state


def read_committed(log: Partition) -> dict[int, Pair]:
    """As Java's consumer does it, fetch by fetch."""
    found: dict[int, Pair] = {}
    offset, stable = log.log_start_offset, log.last_stable_offset
    while data := log.read(offset, 300, up_to=stable):
        headers = [(position, header) for position, header in batches(data)]
        told = sorted(log.aborted(offset, headers[-1][1].last_offset + 1), key=lambda txn: txn.first_offset)
        ignored: set[int] = set()
        for position, header in headers:
            while told and told[0].first_offset <= header.last_offset:
                ignored.add(told.pop(0).producer_id)
            batch = data[position : position + header.size_bytes]
            offset = header.last_offset + 1
            if header.is_control:
                marker = read_marker(batch)
                if marker is not None and not marker.commit:
                    ignored.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in ignored):
                found |= {record.offset: (record.key or b"", record.value) for record in records(batch)}
    return found


def _markers(log: Partition) -> list[int]:
    offset, found = log.log_start_offset, []
    while data := log.read(offset, 1 << 20):
        for _, header in batches(data):
            offset = header.last_offset + 1
            if header.is_control:
                found.append(header.base_offset)
    return found


def test_what_was_aborted_is_no_latest_value_and_goes() -> None:
    writers = Writers(MemoryFiles())
    writers.write(0, (b"a", b"kept" * 20))
    writers.write(1, (b"a", b"aborted" * 20), (b"b", b"aborted" * 20))
    writers.end(1, commit=False)
    for _ in range(8):
        writers.write(0, (b"c", b"x" * 150))
    before = writers.log.size_bytes
    writers.log.compact(NOW_MS)
    assert writers.log.size_bytes < before
    assert read_committed(writers.log)[0] == (b"a", b"kept" * 20)
    assert _latest(read_committed(writers.log)) == writers.expected()
    writers.log.close()


def test_a_marker_goes_last_and_some_time_after_what_it_ends() -> None:
    writers = Writers(MemoryFiles())
    for producer_id, commit in [(1, False), (2, True)]:
        writers.write(producer_id, (b"a", b"x" * 50))
        writers.write(producer_id, (b"a", b"x" * 50))
        writers.end(producer_id, commit=commit)
    counts = []
    for later_ms in (0, 0, 999, 1001, 2001):
        for producer_id in (1, 2):  # so that what is looked at is not what they sent last
            writers.write(producer_id, (b"c", b"x"))
            writers.end(producer_id, commit=True)
        for _ in range(8):
            writers.write(0, (b"a", b"y"), (b"c", b"x" * 150))
        writers.log.compact(NOW_MS + later_ms)
        counts.append(len([offset for offset in _markers(writers.log) if offset in (2, 5)]))
        assert _latest(read_committed(writers.log)) == writers.expected()
    assert counts[0] == 2
    assert counts[-1] == 0
    assert writers.log.aborted(0, 1 << 40) == []
    writers.log.close()


def test_a_transaction_under_way_is_left_alone() -> None:
    writers = Writers(MemoryFiles())
    for _ in range(5):
        writers.write(0, (b"c", b"x" * 150))
    writers.write(1, (b"a", b"x"))
    start = writers.log.end_offset - 1
    for _ in range(20):
        writers.write(0, (b"c", b"x" * 150))
    writers.log.compact(NOW_MS)
    assert writers.log.last_stable_offset == start
    writers.end(1, commit=True)
    assert _latest(read_committed(writers.log)) == writers.expected()
    writers.log.close()


class PowerCut(Exception):
    """The lights go out."""


def _after_rounds(cut_at: int) -> tuple[Writers, bool]:
    """A log of all kinds of transactions, over rounds of compaction in which the power is cut; whether it was."""
    writers = Writers(MemoryFiles())
    left = iter(range(cut_at))

    def inject(operation: str, path: str) -> None:
        if next(left, None) is None:
            raise PowerCut

    for later_ms in (0, 2000, 4000):
        for number in range(3):
            writers.write(1, (b"a", b"aborted" * 9), (b"b", b"aborted"))
            writers.write(2, (b"b", b"%d" % number * 60))
            writers.end(1, commit=False)
            writers.write(0, (b"c", b"x" * 150))
            writers.end(2, commit=True)
            writers.write(1, (b"a", b"committed" * 9))
            writers.end(1, commit=True)
        writers.files.inject = inject  # type: ignore[attr-defined]
        try:
            writers.log.compact(NOW_MS + later_ms)
        except PowerCut:
            return writers, True
        finally:
            writers.files.inject = None  # type: ignore[attr-defined]
    return writers, False


@pytest.mark.parametrize("part", range(4))
def test_a_power_cut_at_any_operation_of_a_round_changes_nothing(part: int) -> None:
    count = part
    while True:
        for seed in (None, 1, 2):
            with naming(f"operation {count}, seed {seed}"):
                writers, was_cut = _after_rounds(count)
                assert isinstance(writers.files, MemoryFiles)
                writers.files.power_cut(None if seed is None else Random(10 * count + seed))
                writers.log = writers._open(clean=False)
                assert _latest(read_committed(writers.log)) == writers.expected()
                assert writers.log.last_stable_offset == writers.log.end_offset
                writers.log.compact(NOW_MS + 9000)
                writers.restart(clean=True)
                assert _latest(read_committed(writers.log)) == writers.expected()
        if not was_cut:
            return
        count += 4


pairs = st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.integers(0, 60).map(lambda size: b"v" * size))
operations = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 3), st.lists(pairs, min_size=1, max_size=4)),
    st.tuples(st.just("write"), st.just(0), st.just([(b"c", b"w" * 200)])),
    st.tuples(st.just("end"), st.integers(1, 3), st.booleans()),
    st.tuples(st.just("compact"), st.sampled_from([1, 1000]), st.sampled_from([0, 600])),
    st.tuples(st.just("restart"), st.booleans()),
)


@given(st.lists(operations, max_size=60))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_sequence_shows_a_consumer_of_what_is_committed_the_same(steps: list[Any]) -> None:
    writers = Writers(MemoryFiles())
    now_ms = NOW_MS
    for step in steps:
        match step:
            case ("write", producer_id, written):
                writers.write(producer_id, *written)
            case ("end", producer_id, commit):
                writers.end(producer_id, commit)
            case ("compact", keys_max, later_ms):
                now_ms += later_ms
                writers.log.compact(now_ms, keys_max=keys_max)
            case ("restart", clean):
                open_before = writers.log.open_transactions()
                stable = writers.log.last_stable_offset
                writers.restart(clean)
                assert [t.first_offset for t in writers.log.open_transactions()] == [
                    t.first_offset for t in open_before
                ]
                assert writers.log.last_stable_offset == stable
        found = read_committed(writers.log)
        assert found.items() <= writers.committed.items()
        assert _latest(found) == writers.expected()
    for producer_id in (1, 2, 3):
        writers.end(producer_id, commit=True)
    assert _latest(read_committed(writers.log)) == writers.expected()
    writers.log.close()
