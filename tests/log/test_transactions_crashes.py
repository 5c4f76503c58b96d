"""Transactions of which the power, or the disk, takes something away, at every single operation in turn."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from tests.log.batches import NOW_MS, chunks, naming
from tests.log.test_transactions_model import ABORT, COMMIT, DATA, Entry, tell

from tidings.errors import DiskError
from tidings.log.config import LogConfig
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.log.partition import Partition
from tidings.log.transactions import read_marker
from tidings.wire.error_codes import ApiError
from tidings.wire.records import Record, batches, encode_batch

PATH = "orders-0"
CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=100, recovery_bytes=300)


class PowerCut(Exception):
    """The lights go out."""


class Life:
    """Three producers, whose transactions overlap; some are aborted. Each has an epoch of its own (KIP-890)."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.log: Partition | None = None
        self.acknowledged = 0

    def open(self, clean: bool = False) -> Partition:
        self.log = Partition.open(self.files, PATH, CONFIG, now_ms=NOW_MS, clean=clean)
        return self.log

    def _log(self) -> Partition:
        return self.log or self.open()

    def _epoch(self, producer_id: int) -> tuple[int, int]:
        """And the next sequence number, as the log knows them."""
        for state in self._log().producers():
            if state.producer_id == producer_id:
                return state.producer_epoch, state.last_sequence + 1
        return 0, 0

    def write(self, producer_id: int) -> None:
        epoch, sequence = self._epoch(producer_id)
        batch = encode_batch(
            [Record(0, NOW_MS, b"key", b"value", ())],
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            is_transactional=True,
        )
        self._log().append(batch, now_ms=NOW_MS)

    def end(self, producer_id: int, commit: bool) -> None:
        self._log().append_marker(producer_id, self._epoch(producer_id)[0] + 1, commit=commit, now_ms=NOW_MS)

    def sync(self) -> None:
        end = self._log().end_offset
        self._log().sync()
        self.acknowledged = end

    def restart(self) -> None:
        end = self._log().end_offset
        self._log().close()
        self.acknowledged = end
        self.open(clean=True)

    def steps(self) -> list[Callable[[], None]]:
        steps: list[Callable[[], None]] = []
        for number in range(15):
            producer_id = number % 3
            steps.append(lambda producer_id=producer_id: self.write(producer_id))  # type: ignore[misc]
            if number % 5 == 2:
                steps.append(lambda producer_id=producer_id: self.end(producer_id, commit=False))  # type: ignore[misc]
            if number % 5 == 4:
                steps.append(lambda producer_id=producer_id: self.end(producer_id, commit=True))  # type: ignore[misc]
            if number % 4 == 3:
                steps.append(self.sync)
            if number == 8:
                steps.append(self.restart)
        return steps

    def check(self) -> None:
        """What the log tells of transactions after a crash is what its batches say."""
        log = self.open()
        assert self.acknowledged <= log.end_offset
        told = tell(_entries(log), log.high_watermark)
        stable = log.high_watermark if told.first_unstable is None else told.first_unstable
        assert log.last_stable_offset == stable
        assert log.aborted(0, log.end_offset) == told.aborted
        assert {state.producer_id: state.producer_epoch for state in log.producers()} == told.epochs
        assert {state.producer_id: state.first_offset for state in log.open_transactions()} == told.open_txns


def _entries(log: Partition) -> list[Entry]:
    entries = []
    for data in chunks(log):
        for position, header in batches(data):
            kind = DATA
            if header.is_control:
                marker = read_marker(data[position : position + header.size_bytes])
                assert marker is not None
                kind = COMMIT if marker.commit else ABORT
            entries.append(Entry(kind, header.producer_id, header.producer_epoch, header.base_sequence))
    return entries


def _count_operations() -> int:
    operations = []
    life = Life()
    life.files.inject = lambda operation, path: operations.append(operation)
    for step in life.steps():
        step()
    return len(operations)


OPERATIONS = _count_operations()


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_power_cut_at_any_operation_leaves_what_the_log_says(seed: int | None) -> None:
    for count in range(OPERATIONS):
        with naming(f"operation {count}, seed {seed}"):
            life = Life()
            left = iter(range(count))

            def inject(operation: str, path: str, left: object = left) -> None:
                if next(left, None) is None:  # type: ignore[call-overload]
                    raise PowerCut

            life.files.inject = inject
            with suppress(PowerCut):
                for step in life.steps():
                    step()
            life.files.inject = None
            life.files.power_cut(None if seed is None else Random(10 * count + seed))
            life.check()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_at_any_operation_leaves_what_the_log_says(number: int) -> None:
    for count in range(OPERATIONS):
        with naming(f"operation {count}"):
            life = Life()
            seen = iter(range(count + 1))
            life.files.inject = lambda operation, path, seen=seen, count=count: (
                Fault(number, 1) if next(seen, None) == count else None
            )
            for step in life.steps():
                try:
                    step()
                except (DiskError, ApiError):
                    if life.log is not None and life.log.offline_reason is not None:
                        life.log.close(clean=False)
                        life.log = None
            life.files.inject = None
            life.files.power_cut()
            life.check()
