"""Transactions under any order of events, beside partitions that remember what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.coordination.transactional import NAME, TIMEOUT_MS, V2, Transactions

from tidings.coordination.outcome import Markers, Producer, TopicPartition
from tidings.coordination.transactions.states import DECIDED, TransactionState
from tidings.wire.error_codes import ErrorCode

PARTITIONS: list[TopicPartition] = [("orders", 0), ("orders", 1), ("payments", 0)]
partitions = st.sampled_from(PARTITIONS)


@dataclass
class Log:
    """A partition: what is open in it, by producer, and how what is over ended."""

    open: set[Producer] = field(default_factory=set)
    ended: dict[Producer, bool] = field(default_factory=dict)


class TransactionMachine(RuleBasedStateMachine):
    """One transactional id, all the producers that ever had it, and what each of them may still send."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Transactions()
        self.producers = [self.world.producer()]
        self.logs = {partition: Log() for partition in PARTITIONS}
        self.committed: dict[Producer, bool] = {}
        """What each producer was told of its transaction."""

    @rule()
    def take_over(self) -> None:
        reply = self.world.init()
        if reply.error_code == ErrorCode.NONE:
            self.producers.append(Producer(reply.producer_id, reply.producer_epoch))
        else:
            assert reply.error_code == ErrorCode.CONCURRENT_TRANSACTIONS

    @rule(data=st.data(), partition=partitions)
    def write(self, data: st.DataObject, partition: TopicPartition) -> None:
        """Any producer that ever was, at any time: what it may write is open in the partition from then on."""
        producer = data.draw(st.sampled_from(self.producers))
        self.world.add(producer, partition)
        if self.world.may_write(producer, partition) == ErrorCode.NONE:
            assert producer == self.producers[-1], "a fenced producer wrote"
            assert producer not in self.logs[partition].ended, "it wrote into a transaction that was over"
            self.logs[partition].open.add(producer)

    @rule(data=st.data(), commit=st.booleans())
    def end(self, data: st.DataObject, commit: bool) -> None:
        producer = data.draw(st.sampled_from(self.producers))
        before = self.world.state()
        self.world.end_request(producer, commit=commit, version=V2)
        if before is not self.world.state() and self.world.state() in DECIDED:
            assert producer == self.producers[-1]
            self.committed[producer] = commit

    @precondition(lambda self: self.world.untold)
    @rule(all_of_them=st.booleans())
    def tell(self, all_of_them: bool) -> None:
        """Markers reach their partitions; perhaps not all of them before something else happens."""
        for markers in self.world.untold:
            for partition in sorted(markers.partitions)[: None if all_of_them else 1]:
                self._told(partition, markers)
        if all_of_them:
            self.world.tell()
            found = self.world.coordinator.transaction(NAME)
            assert found is not None
            current = Producer(found.producer_id, found.epoch)
            if self.producers[-1] in self.committed:
                self.producers.append(current)  # what the reply said

    def _told(self, partition: TopicPartition, markers: Markers) -> None:
        found = self.world.coordinator.transaction(NAME)
        assert found is not None
        assert found.state in DECIDED, "a marker without a decision on record"
        log = self.logs[partition]
        for producer in log.open:
            assert producer.epoch < markers.producer_epoch
            assert self.committed.get(producer, False) is markers.commit
            log.ended[producer] = markers.commit
        log.open.clear()

    @rule()
    def restart(self) -> None:
        before = dict(self.world.coordinator.snapshot())
        self.world.restart()
        assert dict(self.world.coordinator.snapshot()) == before

    @rule(milliseconds=st.integers(0, TIMEOUT_MS))
    def pass_time(self, milliseconds: int) -> None:
        self.world.pass_time(milliseconds)

    @invariant()
    def a_transaction_has_one_end_everywhere(self) -> None:
        for log in self.logs.values():
            for producer, commit in log.ended.items():
                assert self.committed.get(producer, False) is commit

    @invariant()
    def nothing_is_open_where_nobody_will_end_it(self) -> None:
        found = self.world.coordinator.transaction(NAME)
        assert found is not None
        for partition, log in self.logs.items():
            if log.open:
                assert partition in found.partitions
                assert found.state in DECIDED or found.state is TransactionState.ONGOING

    @invariant()
    def a_decision_waits_for_its_markers(self) -> None:
        assert (self.world.state() in DECIDED) == bool(self.world.untold)


TestTransactionMachine = TransactionMachine.TestCase
TestTransactionMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
