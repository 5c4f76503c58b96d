"""Any sequence of transactions, restarts and power cuts, against a list of what was written."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.log.batches import NOW_MS

from tidings.log.aborted import AbortedTxn
from tidings.log.config import LogConfig
from tidings.log.memory_files import MemoryFiles
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import Record, encode_batch

PATH = "orders-0"
PLAIN, DATA, COMMIT, ABORT = "plain", "data", "commit", "abort"
PRODUCERS = st.integers(1, 4)


class Entry(NamedTuple):
    """A batch as the model knows it: one record each, so that its index is its offset."""

    kind: str
    producer_id: int = -1
    epoch: int = -1
    sequence: int = -1


class Told(NamedTuple):
    """What a log of some entries has to say."""

    first_unstable: int | None
    aborted: list[AbortedTxn]
    open_txns: dict[int, int]
    epochs: dict[int, int]
    sequences: dict[int, int]


def tell(entries: list[Entry], shown: int) -> Told:
    """The simplest thing that could work: go through all of it."""
    open_txns: dict[int, int] = {}
    unstable: set[int] = set()
    aborted = []
    epochs: dict[int, int] = {}
    sequences: dict[int, int] = {}
    for offset, (kind, producer_id, epoch, sequence) in enumerate(entries):
        if kind == PLAIN:
            continue
        if epochs.get(producer_id) != epoch:
            sequences[producer_id] = -1
        epochs[producer_id] = epoch
        if kind == DATA:
            sequences[producer_id] = sequence
            if producer_id not in open_txns:
                open_txns[producer_id] = offset
                unstable.add(offset)
        elif producer_id in open_txns:
            first = open_txns.pop(producer_id)
            if offset < shown:
                unstable.remove(first)
            if kind == ABORT:
                aborted.append(AbortedTxn(producer_id, first, offset, min(open_txns.values(), default=offset + 1)))
    return Told(min(unstable, default=None), aborted, open_txns, epochs, sequences)


class TransactionMachine(RuleBasedStateMachine):
    @initialize(
        segment_bytes=st.sampled_from([200, 700, 100_000]),
        recovery_bytes=st.sampled_from([1, 500, 1 << 20]),
        fsync=st.booleans(),
    )
    def begin(self, segment_bytes: int, recovery_bytes: int, fsync: bool) -> None:
        self.files = MemoryFiles()
        self.config = LogConfig(segment_bytes=segment_bytes, index_interval_bytes=100, recovery_bytes=recovery_bytes)
        self.fsync = fsync
        self.entries: list[Entry] = []
        self.acknowledged = 0
        self.start = 0
        self.open(clean=True)

    def open(self, *, clean: bool) -> None:
        durability = "fsync" if self.fsync else "os"
        self.log = Partition.open(
            self.files,
            PATH,
            self.config,
            now_ms=NOW_MS,
            clean=clean,
            durability=durability,  # type: ignore[arg-type]
        )

    @property
    def shown(self) -> int:
        return self.log.high_watermark

    def append(self, entry: Entry) -> None:
        batch = encode_batch(
            [Record(0, NOW_MS, b"key", b"value", ())],
            producer_id=entry.producer_id,
            producer_epoch=entry.epoch,
            base_sequence=entry.sequence,
            is_transactional=entry.kind == DATA,
        )
        appended = self.log.append(batch, now_ms=NOW_MS)
        assert (appended.base_offset, appended.duplicate) == (len(self.entries), False)
        self.entries.append(entry)

    @rule()
    def write_plainly(self) -> None:
        self.append(Entry(PLAIN))

    @rule(producer_id=PRODUCERS, new_epoch=st.sampled_from([0, 0, 0, 1]))
    def write(self, producer_id: int, new_epoch: int) -> None:
        told = tell(self.entries, self.shown)
        epoch = told.epochs.get(producer_id, 0) + new_epoch
        sequence = 0 if new_epoch else told.sequences.get(producer_id, -1) + 1
        self.append(Entry(DATA, producer_id, epoch, sequence))

    @rule(producer_id=PRODUCERS, kind=st.sampled_from([COMMIT, ABORT]), new_epoch=st.integers(0, 1))
    def end(self, producer_id: int, kind: str, new_epoch: int) -> None:
        epoch = tell(self.entries, self.shown).epochs.get(producer_id, 0) + new_epoch
        appended = self.log.append_marker(producer_id, epoch, commit=kind == COMMIT, now_ms=NOW_MS)
        assert appended.base_offset == len(self.entries)
        self.entries.append(Entry(kind, producer_id, epoch))

    @rule(producer_id=PRODUCERS)
    def write_late(self, producer_id: int) -> None:
        """From an epoch that is over."""
        epoch = tell(self.entries, self.shown).epochs.get(producer_id, 0)
        if epoch == 0:
            return
        count = len(self.entries)
        with pytest.raises(ApiError) as refusal:
            self.append(Entry(DATA, producer_id, epoch - 1, 0))
        assert refusal.value.code == ErrorCode.INVALID_PRODUCER_EPOCH
        with pytest.raises(ApiError) as refusal:
            self.log.append_marker(producer_id, epoch - 1, commit=True, now_ms=NOW_MS)
        assert refusal.value.code == ErrorCode.INVALID_PRODUCER_EPOCH
        assert self.log.end_offset == count

    @rule()
    def sync(self) -> None:
        self.log.sync()
        self.acknowledged = len(self.entries)

    @precondition(lambda self: self.fsync)  # what else was deleted before it was synced may take its producer along
    @rule(data=st.data())
    def delete_before(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, self.shown))
        self.start = max(self.start, offset)
        assert self.log.delete_before(offset) == self.start

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        self.log.close(clean)
        if clean:
            self.acknowledged = len(self.entries)
        self.open(clean=clean)
        assert self.log.end_offset == len(self.entries)

    @rule(seed=st.none() | st.integers(0, 1000))
    def power_cut(self, seed: int | None) -> None:
        if not self.fsync:
            seed = None  # of segments that nobody synced, a later one may survive alone: the partition is offline then
        self.files.power_cut(None if seed is None else Random(seed))
        self.open(clean=False)
        end = self.log.end_offset
        assert self.acknowledged <= end <= len(self.entries)
        del self.entries[end:]

    @invariant()
    def all_is_told(self) -> None:
        if not hasattr(self, "log"):
            return
        told = tell(self.entries, self.shown)
        stable = self.shown if told.first_unstable is None else min(told.first_unstable, self.shown)
        stable = max(stable, self.start)
        assert self.log.last_stable_offset == stable
        last = len(self.entries)
        for start, end in ((0, last), (0, stable), ((self.start + stable) // 2, stable), (stable, last)):
            start = max(start, self.start)
            wanted = [txn for txn in told.aborted if txn.last_offset >= start and txn.first_offset < end]
            assert self.log.aborted(start, end) == wanted
        states = {state.producer_id: state for state in self.log.producers()}
        assert {i: state.producer_epoch for i, state in states.items()} == told.epochs
        assert {i: state.last_sequence for i, state in states.items()} == told.sequences
        assert {state.producer_id: state.first_offset for state in self.log.open_transactions()} == told.open_txns

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()


TransactionMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnySequenceOfTransactions = TransactionMachine.TestCase
