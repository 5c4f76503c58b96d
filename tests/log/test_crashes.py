"""A life of a partition, in which the power is cut, or the disk fails, at every single operation in turn."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest
from tests.log.batches import NOW_MS, batch, contents, naming

from tidings.errors import DiskError
from tidings.log.config import LogConfig
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError

PATH = "orders-0"
CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=200, retention_bytes=2000, recovery_bytes=300)


class PowerCut(Exception):
    """The lights go out."""


@dataclass
class Life:
    """What happened so far, as a client knows it."""

    files: MemoryFiles
    log: Partition | None = None
    appended: dict[int, bytes] = field(default_factory=dict)  # told an offset
    refused: set[bytes] = field(default_factory=set)  # told that it was not written
    acknowledged: int = 0  # everything before was told to be durable
    deleted: int = 0  # everything before was asked to be deleted, or may have been by retention
    sequence: int = 0
    attempts: int = 0

    def open(self, clean: bool = False) -> None:
        self.log = Partition.open(self.files, PATH, CONFIG, now_ms=NOW_MS, clean=clean)

    def append(self, size: int) -> None:
        assert self.log is not None
        self.attempts += 1
        value = b"%d:" % self.attempts + b"x" * size
        data = batch(value, producer_id=7, producer_epoch=0, sequence=self.sequence)
        try:
            appended = self.log.append(data, now_ms=NOW_MS)
        except (DiskError, ApiError):
            self.refused.add(value)
            raise
        assert not appended.duplicate
        self.appended[appended.base_offset] = value
        self.sequence += 1

    def sync(self) -> None:
        assert self.log is not None
        end = self.log.end_offset
        self.log.sync()
        self.acknowledged = max(end, self.acknowledged)

    def delete_before(self, offset: int) -> None:
        assert self.log is not None
        self.deleted = max(offset, self.deleted)
        self.log.delete_before(offset)

    def retain(self) -> None:
        assert self.log is not None
        self.deleted = max(self.log.high_watermark, self.deleted)
        self.log.retain(NOW_MS)

    def close(self) -> None:
        assert self.log is not None
        end = self.log.end_offset
        self.log.close()
        self.acknowledged = end

    def steps(self) -> list[Callable[[], None]]:
        """Rolls, group commits, a deletion, retention, and a restart."""
        steps: list[Callable[[], None]] = [lambda: self.open(clean=True)]
        for number in range(12):
            steps.append(lambda size=20 * number: self.append(size))  # type: ignore[misc]
            if number % 3 == 2:
                steps.append(self.sync)
        steps += [lambda: self.delete_before(2), lambda: self.append(300), self.close, lambda: self.open(clean=True)]
        steps += [lambda: self.append(250)] * 9
        return [*steps, self.sync, self.retain, lambda: self.append(10), self.close]

    def check(self) -> None:
        """Open what the crash left: nothing acknowledged is missing, nothing is there that was not appended."""
        self.open(clean=False)
        assert self.log is not None
        assert self.acknowledged <= self.log.end_offset
        assert self.log.log_start_offset <= self.deleted
        found = dict(contents(self.log))
        for offset, value in found.items():
            assert self.appended.get(offset) == value
            assert value not in self.refused
        assert set(range(self.deleted, self.acknowledged)) <= set(found)
        assert list(found) == list(range(min(found, default=0), self.log.end_offset))


def _count_operations() -> int:
    operations = []
    life = Life(MemoryFiles())
    life.files.inject = lambda operation, path: operations.append(operation)
    for step in life.steps():
        step()
    return len(operations)


OPERATIONS = _count_operations()
PARTS = 8
"""The cases of a test go into so many, to be spread over processes."""


def _cases(part: int) -> range:
    return range(part, OPERATIONS, PARTS)


each_part = pytest.mark.parametrize("part", range(PARTS))


def _cut_power_at(count: int) -> Life:
    life = Life(MemoryFiles())
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
def test_what_was_acknowledged_survives_a_power_cut_at_any_operation(part: int) -> None:
    for count in _cases(part):
        for seed in (None, 1, 2, 3):
            with naming(f"operation {count}, seed {seed}"):
                life = _cut_power_at(count)
                life.files.power_cut(None if seed is None else Random(10 * count + seed))
                life.check()
                _go_on_and_cut_again(life)


def _go_on_and_cut_again(life: Life) -> None:
    assert life.log is not None
    end = life.log.end_offset
    life.log.append(batch(b"next"), now_ms=NOW_MS)
    life.log.sync()
    life.files.power_cut()
    life.open()
    assert contents(life.log)[-1] == (end, b"next")


@each_part
def test_what_was_appended_survives_the_end_of_the_process_at_any_operation(part: int) -> None:
    for count in _cases(part):
        with naming(f"operation {count}"):
            life = _cut_power_at(count)
            life.acknowledged = max(life.appended, default=-1) + 1  # no unsynced byte is lost with a process
            life.check()


def test_a_power_cut_after_a_clean_stop_needs_no_verification() -> None:
    life = Life(MemoryFiles())
    for step in life.steps():
        step()
    life.files.power_cut()
    life.open(clean=True)
    assert life.log is not None
    assert life.log.end_offset == life.acknowledged
    assert contents(life.log)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@each_part
def test_a_failing_operation_is_reported_and_costs_nothing_acknowledged(part: int, number: int) -> None:
    for count in _cases(part):
        for bytes_written in (0, 1, 70):
            with naming(f"operation {count}, {bytes_written} bytes written"):
                life = Life(MemoryFiles())
                life.files.inject = _failing_once(count, Fault(number, bytes_written))
                _live_on(life)
                life.files.inject = None
                life.files.power_cut()
                life.check()


def _failing_once(count: int, fault: Fault) -> Callable[[str, str], Fault | None]:
    seen = iter(range(count + 1))
    return lambda operation, path: fault if next(seen, None) == count else None


def _live_on(life: Life) -> None:
    """Go through all steps; where the disk fails, do what a broker would: report it, and go on."""
    for step in life.steps():
        try:
            step()
        except (DiskError, ApiError):
            if life.log is None:
                life.open()
            assert life.log is not None
            if life.log.offline_reason is not None:
                life.log.close(clean=False)
                life.open()
                _forget_unacknowledged(life)


def _forget_unacknowledged(life: Life) -> None:
    """After a failed sync, what had not been acknowledged may be gone: its offsets are given out again."""
    assert life.log is not None
    assert life.acknowledged <= life.log.end_offset
    for offset in [offset for offset in life.appended if offset >= life.log.end_offset]:
        life.refused.add(life.appended.pop(offset))
        life.sequence = min(life.sequence, offset)


def test_a_failed_sync_is_never_followed_by_a_success_for_the_same_bytes() -> None:
    life = Life(MemoryFiles())
    life.open()
    life.append(10)
    life.sync()
    life.append(20)
    life.files.inject = lambda operation, path: Fault(errno.EIO) if operation == "sync" else None
    assert life.log is not None
    with pytest.raises(DiskError):
        life.log.sync()
    life.files.inject = None
    assert life.log.offline_reason is not None
    with pytest.raises(ApiError):
        life.log.sync()
    with pytest.raises(ApiError):
        life.append(30)
    assert [offset for offset, _ in contents(life.log)] == [0]
    life.log.close(clean=False)
    life.open()
    assert [offset for offset, _ in contents(life.log)] == [0]


def test_what_is_appended_while_a_sync_is_under_way_waits_for_the_next() -> None:
    life = Life(MemoryFiles())
    life.open()
    life.append(10)

    def inject(operation: str, path: str) -> None:
        if operation == "sync":
            life.files.inject = None
            life.append(20)

    life.files.inject = inject
    assert life.log is not None
    life.log.sync()
    assert (life.log.high_watermark, life.log.end_offset) == (1, 2)
    assert [offset for offset, _ in contents(life.log)] == [0]
    life.log.sync()
    assert life.log.high_watermark == 2
    life.log.close()


def test_a_full_disk_refuses_and_recovers_when_there_is_space() -> None:
    files = MemoryFiles(space_bytes=3000)
    log = Partition.open(files, PATH, LogConfig(), now_ms=NOW_MS, clean=True)
    written = 3000 // len(batch(b"x" * 100))
    for _ in range(written):
        log.append(batch(b"x" * 100), now_ms=NOW_MS)
    for _ in range(2):
        with pytest.raises(DiskError, match="No space left"):
            log.append(batch(b"x" * 100), now_ms=NOW_MS)
    assert log.offline_reason is None
    log.sync()
    assert len(contents(log)) == log.end_offset == written
    files.space_bytes = None
    assert log.append(batch(b"y"), now_ms=NOW_MS).base_offset == written
    log.close()


def test_a_partition_whose_torn_write_cannot_be_undone_goes_offline() -> None:
    life = Life(MemoryFiles())
    life.open()
    life.append(10)
    life.sync()
    life.files.inject = lambda operation, path: Fault(errno.EIO, 30) if operation in ("append", "truncate") else None
    with pytest.raises(DiskError):
        life.append(20)
    life.files.inject = None
    assert life.log is not None
    assert life.log.offline_reason is not None
    assert [offset for offset, _ in contents(life.log)] == [0]
    life.log.close(clean=False)
    life.check()
