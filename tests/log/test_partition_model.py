"""Any sequence of operations, restarts and power cuts, against the simplest thing that could be a log: a list."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.log.batches import NOW_MS, batch, contents

from tidings.log.config import LogConfig
from tidings.log.memory_files import MemoryFiles
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError
from tidings.wire.records import batches, read_header

PATH = "orders-0"
values = st.lists(st.integers(0, 400).map(lambda size: b"x" * size), min_size=1, max_size=5)


class LogMachine(RuleBasedStateMachine):
    """`records[offset]` is what the log should have there; up to `acknowledged` nothing may ever be missing."""

    @initialize(
        segment_bytes=st.sampled_from([2500, 6000, 100_000]),
        interval=st.sampled_from([0, 300, 4096]),
        recovery_bytes=st.sampled_from([200, 3000, 1 << 20]),
        fsync=st.booleans(),
    )
    def begin(self, segment_bytes: int, interval: int, recovery_bytes: int, fsync: bool) -> None:
        self.files = MemoryFiles()
        self.config = LogConfig(
            segment_bytes=segment_bytes,
            index_interval_bytes=interval,
            recovery_bytes=recovery_bytes,
            segment_ms=1000,
            retention_ms=10_000,
        )
        self.fsync = fsync
        self.now_ms = NOW_MS
        self.records: list[bytes] = []
        self.times: list[int] = []
        self.batch_ends: set[int] = {0}
        self.start = 0
        self.acknowledged = 0
        self.sequences: dict[int, int] = {}
        self.sent: list[tuple[bytearray, int]] = []
        self.producers_forgotten = 0
        self.open(clean=True)

    def open(self, *, clean: bool) -> None:
        self.log = Partition.open(
            self.files,
            PATH,
            self.config,
            now_ms=self.now_ms,
            clean=clean,
            durability="fsync" if self.fsync else "os",
        )

    @rule(values=values, producer_id=st.sampled_from([-1, -1, 7, 8]), later_ms=st.sampled_from([0, 1, 500]))
    def append(self, values: list[bytes], producer_id: int, later_ms: int) -> None:
        self.now_ms += later_ms
        if producer_id >= 0:
            producer_id += 10 * self.producers_forgotten
        sequence = self.sequences.get(producer_id, 0) if producer_id >= 0 else -1
        data = batch(
            *values,
            timestamp=self.now_ms,
            producer_id=producer_id,
            producer_epoch=0 if producer_id >= 0 else -1,
            sequence=sequence,
        )
        copy = bytearray(data)
        appended = self.log.append(data, now_ms=self.now_ms)
        assert (appended.base_offset, appended.duplicate) == (len(self.records), False)
        if producer_id >= 0:
            self.sent.append((copy, appended.base_offset))
            self.sequences[producer_id] = sequence + len(values)
        self.records += values
        self.times += range(self.now_ms, self.now_ms + len(values))
        self.batch_ends.add(len(self.records))

    @precondition(lambda self: self.sent)
    @rule()
    def repeat_the_last(self) -> None:
        data, offset = self.sent[-1]
        appended = self.log.append(bytearray(data), now_ms=self.now_ms)
        assert (appended.base_offset, appended.duplicate) == (offset, True)

    @rule()
    def sync(self) -> None:
        self.log.sync()
        self.acknowledged = len(self.records)
        assert self.log.high_watermark == len(self.records)

    @rule(later_ms=st.sampled_from([100, 1000]))
    def roll(self, later_ms: int) -> None:
        self.now_ms += later_ms
        self.log.roll_if_due(self.now_ms)

    @rule(bytes_max=st.sampled_from([1, 200, 3000, 1 << 20]))
    def read_all(self, bytes_max: int) -> None:
        shown = self.log.high_watermark
        found = contents(self.log, bytes_max)
        assert [record for record in found if record[0] >= self.start] == list(enumerate(self.records))[
            self.start : shown
        ]

    @precondition(lambda self: self.records)
    @rule(data=st.data(), bytes_max=st.sampled_from([1, 1000]))
    def read_one(self, data: st.DataObject, bytes_max: int) -> None:
        offset = data.draw(st.integers(0, len(self.records)))
        if offset < self.start:
            with pytest.raises(ApiError):
                self.log.read(offset, bytes_max)
            return
        found = self.log.read(offset, bytes_max, up_to=len(self.records))
        assert (found == b"") == (offset == len(self.records))
        if found:
            header = read_header(found)
            assert header.base_offset <= offset <= header.last_offset
            assert len(found) <= bytes_max or len(list(batches(found))) == 1

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def find_time(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(self.times)) + data.draw(st.integers(-1, 1))
        shown = range(self.start, self.log.high_watermark)
        first = next(((offset, self.times[offset]) for offset in shown if self.times[offset] >= wanted), None)
        assert self.log.offset_for_time(wanted) == first
        greatest = max((self.times[offset] for offset in shown), default=None)
        expected = None if greatest is None else (self.times.index(greatest, self.start), greatest)
        assert self.log.offset_of_max_timestamp() == expected

    @rule(data=st.data())
    def delete_before(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, self.log.high_watermark))
        self.start = max(self.start, offset)
        if not self.fsync:
            # What was deleted is gone, whatever was on the disk of it.
            self.acknowledged = max(self.acknowledged, min(self.start, len(self.records)))
        assert self.log.delete_before(offset) == self.start

    @rule(later_ms=st.sampled_from([0, 5000]))
    def retain(self, later_ms: int) -> None:
        self.now_ms += later_ms
        self.log.retain(self.now_ms)
        assert self.log.log_start_offset >= self.start
        assert all(time < self.now_ms - 10_000 for time in self.times[self.start : self.log.log_start_offset])
        self.start = self.log.log_start_offset
        self.acknowledged = max(self.acknowledged, self.start)

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        self.log.close(clean)
        if clean:
            self.acknowledged = len(self.records)
        self.open(clean=clean)
        assert self.log.end_offset == len(self.records)

    @rule(seed=st.none() | st.integers(0, 1000), cleanly_closed=st.booleans())
    def power_cut(self, seed: int | None, cleanly_closed: bool) -> None:
        if cleanly_closed:
            self.log.close()
            self.acknowledged = len(self.records)
        self.files.power_cut(None if seed is None else Random(seed))
        self.open(clean=cleanly_closed)
        end = self.log.end_offset
        assert self.acknowledged <= end <= len(self.records)
        if not self.fsync and self.start < self.log.log_start_offset == end and self.acknowledged <= self.start:
            # None of it had been synced, and of all its segments the disk has the name of a later one: the log is empty
            # and begins there, so that no offset that somebody has seen is used again.
            self.start = end
        assert end in self.batch_ends or end == self.start
        self.forget_from(end)
        if not self.fsync:
            # What was deleted before it reached the disk may have taken its producers with it: others write now.
            self.producers_forgotten += 1
            self.sent = []

    def forget_from(self, end: int) -> None:
        del self.records[end:]
        del self.times[end:]
        self.batch_ends = {offset for offset in self.batch_ends if offset <= end}
        self.sent = [(data, offset) for data, offset in self.sent if offset < end]
        self.sequences = {}
        for data, _ in self.sent:
            header = read_header(data)
            self.sequences[header.producer_id] = header.last_sequence + 1

    @invariant()
    def offsets_agree(self) -> None:
        if not hasattr(self, "log"):
            return
        assert self.log.log_start_offset == self.start
        assert self.log.end_offset == len(self.records)
        assert self.acknowledged <= self.log.high_watermark <= len(self.records)
        assert self.log.offline_reason is None

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()


LogMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnySequenceOfOperations = LogMachine.TestCase
