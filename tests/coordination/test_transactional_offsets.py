"""Offsets that are committed in a producer's transaction: nobody sees them before it commits, or if it aborts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.coordination.harness import GROUP, Cluster, durable

from tidings.coordination.outcome import Outcome, Producer, Record
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from tidings.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

LogEntry = tuple[bytes, bytes | None, Producer | None] | tuple[int, bool]
"""A record with the producer of its transaction; or the id of a producer whose transaction ended, and whether well."""


class TransactionalCluster(Cluster):
    """A cluster whose log has transactions in it, as the broker's has."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        super().__init__()

    def apply(self, outcome: Outcome) -> None:
        records: list[Record] = outcome.records
        if outcome.producer is None:
            self.entries += [(key, value, None) for key, value in records]
            return super().apply(outcome)
        for key, value in records:
            self.entries.append((key, value, outcome.producer))
            self.coordinator.replay(key, value, outcome.producer)
        outcome.records = []
        return super().apply(outcome)

    def restart(self) -> None:
        self.coordinator = self.fresh()
        for entry in self.entries:
            if len(entry) == 2:
                self.coordinator.replay_end(entry[0], commit=entry[1])
            else:
                self.coordinator.replay(*entry)
        self.apply(self.coordinator.start(self.now))

    def commit_in_transaction(
        self, offset: int, *, producer_id: int = 7, partition: int = 0, topic: str = "orders", **member: Any
    ) -> int:
        wanted = TxnOffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata=member.pop("metadata", "")
        )
        request = TxnOffsetCommitRequest(
            transactional_id="mover",
            group_id=member.pop("group_id", GROUP),
            producer_id=producer_id,
            producer_epoch=0,
            topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=[wanted])],
            **member,
        )
        return int(self.ask("commit_transactional", request, 3).topics[0].partitions[0].error_code)

    def end(self, producer_id: int = 7, *, commit: bool) -> None:
        self.entries.append((producer_id, commit))
        self.coordinator.replay_end(producer_id, commit=commit)

    def stable_offset(self, partition: int = 0) -> tuple[int, int]:
        """Error code and offset."""
        wanted = OffsetFetchRequestTopics(name="orders", partition_indexes=[partition])
        group = OffsetFetchRequestGroup(group_id=GROUP, topics=[wanted])
        reply = self.ask("fetch_offsets", OffsetFetchRequest(groups=[group], require_stable=True), 9)
        found = reply.groups[0].topics[0].partitions[0]
        return found.error_code, found.committed_offset


@pytest.fixture
def cluster() -> TransactionalCluster:
    return TransactionalCluster()


def test_an_offset_counts_when_its_transaction_commits(cluster: TransactionalCluster) -> None:
    cluster.commit({("orders", 0): 5})
    assert cluster.commit_in_transaction(9) == ErrorCode.NONE
    assert cluster.offset("orders", 0) == 5
    cluster.end(commit=True)
    assert cluster.offset("orders", 0) == 9


def test_an_offset_of_an_aborted_transaction_never_counts(cluster: TransactionalCluster) -> None:
    cluster.commit_in_transaction(9)
    cluster.end(commit=False)
    assert cluster.offset("orders", 0) == -1
    assert cluster.stable_offset() == (ErrorCode.NONE, -1)


def test_who_wants_a_stable_offset_is_told_to_wait_for_the_transaction(cluster: TransactionalCluster) -> None:
    cluster.commit({("orders", 0): 5, ("orders", 1): 6})
    cluster.commit_in_transaction(9)
    assert cluster.stable_offset() == (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1)
    assert cluster.stable_offset(partition=1) == (ErrorCode.NONE, 6)
    cluster.end(commit=True)
    assert cluster.stable_offset() == (ErrorCode.NONE, 9)


def test_what_is_pending_outlives_a_restart(cluster: TransactionalCluster) -> None:
    cluster.commit_in_transaction(9)
    cluster.restart()
    assert cluster.stable_offset() == (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1)
    cluster.end(commit=True)
    cluster.restart()
    assert cluster.offset("orders", 0) == 9


def test_a_consumer_that_lost_its_partitions_cannot_commit_for_them(cluster: TransactionalCluster) -> None:
    (member,) = cluster.stable({})
    generation = member.generation_id
    at: dict[str, Any] = {"member_id": member.member_id, "generation_id": generation}
    assert cluster.commit_in_transaction(1, **at) == ErrorCode.NONE
    assert cluster.commit_in_transaction(1, **(at | {"generation_id": generation - 1})) == ErrorCode.ILLEGAL_GENERATION
    assert cluster.commit_in_transaction(1, **(at | {"member_id": "other"})) == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.commit_in_transaction(1, **at, group_instance_id="x") == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.commit_in_transaction(1) == ErrorCode.NONE, "older producers cannot say who they are"


def test_a_generation_of_a_group_that_is_not_there_is_refused(cluster: TransactionalCluster) -> None:
    assert cluster.commit_in_transaction(1, generation_id=3, member_id="m") == ErrorCode.ILLEGAL_GENERATION
    assert cluster.commit_in_transaction(1, group_id="") == ErrorCode.INVALID_GROUP_ID


def test_what_cannot_be_committed_is_refused_alone(cluster: TransactionalCluster) -> None:
    assert cluster.commit_in_transaction(1, partition=99) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert cluster.commit_in_transaction(1, topic="nothing") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert cluster.commit_in_transaction(1, metadata="x" * 5000) == ErrorCode.OFFSET_METADATA_TOO_LARGE


def test_a_deleted_offset_is_not_brought_back_by_a_transaction(cluster: TransactionalCluster) -> None:
    cluster.commit_in_transaction(9)
    topic = OffsetDeleteRequestTopic(name="orders", partitions=[OffsetDeleteRequestPartition(partition_index=0)])
    cluster.ask("delete_offsets", OffsetDeleteRequest(group_id=GROUP, topics=[topic]), 0)
    cluster.end(commit=True)
    assert cluster.offset("orders", 0) == -1


def test_offsets_of_a_deleted_topic_are_not_brought_back_by_a_transaction(cluster: TransactionalCluster) -> None:
    cluster.commit_in_transaction(9)
    cluster.apply(cluster.coordinator.topics_deleted(["orders"]))
    cluster.end(commit=True)
    assert cluster.offset("orders", 0) == -1


class OffsetsMachine(RuleBasedStateMachine):
    """Plain and transactional commits of several producers, in any order, over restarts, beside a model."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = TransactionalCluster()
        self.committed: dict[int, int] = {}
        self.pending: dict[int, dict[int, int]] = {}

    @rule(partition=st.integers(0, 3), offset=st.integers(0, 99))
    def commit(self, partition: int, offset: int) -> None:
        self.cluster.commit({("orders", partition): offset})
        self.committed[partition] = offset

    @rule(producer_id=st.integers(1, 3), partition=st.integers(0, 3), offset=st.integers(0, 99))
    def commit_in_transaction(self, producer_id: int, partition: int, offset: int) -> None:
        self.cluster.commit_in_transaction(offset, producer_id=producer_id, partition=partition)
        self.pending.setdefault(producer_id, {})[partition] = offset

    @rule(producer_id=st.integers(1, 3), commit=st.booleans())
    def end(self, producer_id: int, commit: bool) -> None:
        self.cluster.end(producer_id, commit=commit)
        decided = self.pending.pop(producer_id, {})
        if commit:
            self.committed |= decided

    @rule()
    def restart(self) -> None:
        before = durable(self.cluster.coordinator)
        self.cluster.restart()
        assert durable(self.cluster.coordinator) == before

    @invariant()
    def committed_offsets_are_seen_and_no_others(self) -> None:
        assert self.cluster.offsets() == {("orders", index): offset for index, offset in self.committed.items()}

    @invariant()
    def what_is_pending_is_unstable(self) -> None:
        unstable = {index for pending in self.pending.values() for index in pending}
        for index in range(4):
            assert (self.cluster.stable_offset(index)[0] != ErrorCode.NONE) == (index in unstable)


TestOffsetsMachine = OffsetsMachine.TestCase
TestOffsetsMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
