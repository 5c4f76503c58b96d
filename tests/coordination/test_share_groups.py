"""Share groups: whatever members do and whatever happens to topics, every partition is read, and the log tells all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.coordination.harness import GROUP, Cluster

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.share.group import JOIN_EPOCH, LEAVE_EPOCH, ShareGroup
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse
from tidings.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

MEMBERS = ("a", "b", "c", "d", "e", "f")
TOPICS = ("orders", "payments", "later")


def beat(cluster: Cluster, member_id: str, epoch: int, *names: str) -> ShareGroupHeartbeatResponse:
    request = ShareGroupHeartbeatRequest(
        group_id=GROUP, member_id=member_id, member_epoch=epoch, subscribed_topic_names=list(names) or None
    )
    reply = cluster.ask("share_heartbeat", request, 1)
    assert isinstance(reply, ShareGroupHeartbeatResponse)
    return reply


def share_group(cluster: Cluster) -> ShareGroup:
    return cluster.coordinator._registry.share_groups[GROUP]


class Member:
    """Knows what it was told."""

    def __init__(self, cluster: Cluster, member_id: str) -> None:
        self.cluster = cluster
        self.member_id = member_id
        self.epoch = JOIN_EPOCH
        self.names: tuple[str, ...] = ("orders",)
        self.assigned: dict[bytes, list[int]] = {}

    def beat(self, *, lost: bool = False) -> None:
        """A heartbeat; of one whose reply is lost, nothing is learnt. One that is thrown out comes again."""
        reply = beat(self.cluster, self.member_id, self.epoch, *self.names)
        if lost:
            return
        if reply.error_code:
            self.epoch, self.assigned = JOIN_EPOCH, {}
            return
        self.epoch = reply.member_epoch
        if reply.assignment is not None:
            self.assigned = {topic.topic_id: topic.partitions for topic in reply.assignment.topic_partitions}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("beat"), st.sampled_from(MEMBERS), st.booleans()),
        st.tuples(st.just("reads"), st.sampled_from(MEMBERS), st.sets(st.sampled_from(TOPICS), min_size=1)),
        st.tuples(st.just("leave"), st.sampled_from(MEMBERS)),
        st.tuples(st.just("wait"), st.integers(1, 50_000)),
        st.tuples(st.just("grow"), st.sampled_from(TOPICS), st.integers(0, 6)),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_members_that_go_on_come_to_read_every_partition_of_what_they_read(taken: list[tuple[Any, ...]]) -> None:
    cluster = Cluster()
    members = {member_id: Member(cluster, member_id) for member_id in MEMBERS}
    for step in taken:
        match step:
            case "beat", member_id, lost:
                members[member_id].beat(lost=lost)
            case "reads", member_id, names:
                members[member_id].names = tuple(sorted(names))
            case "leave", member_id:
                beat(cluster, member_id, LEAVE_EPOCH)
                members[member_id].epoch = JOIN_EPOCH
            case "wait", milliseconds:
                cluster.pass_time(milliseconds)
            case "grow", name, count:
                cluster.topics[name] = (name.encode().ljust(16), count)
            case _:
                cluster.restart()
    for _ in range(3):  # one to come back, one to raise the epoch, one to hear of it
        for member in members.values():
            member.beat()
    group = share_group(cluster)
    assert {m.epoch for m in members.values()} == {group.epoch} == {group.target_epoch}
    for name in TOPICS:
        readers = [member for member in members.values() if name in member.names]
        topic_id, count = cluster.topics.get(name, (b"", 0))
        read = {partition for member in readers for partition in member.assigned.get(topic_id, ())}
        assert read == (set(range(count)) if readers else set())
        assert not any(topic_id in member.assigned for member in members.values() if name not in member.names)
    assert_comes_back(cluster)


def assert_comes_back(cluster: Cluster) -> None:
    """The log tells what there is, and so does the state written anew."""
    before = list(cluster.coordinator.snapshot())
    cluster.restart()
    assert list(cluster.coordinator.snapshot()) == before
    cluster.log = list(before)
    cluster.restart()
    assert list(cluster.coordinator.snapshot()) == before


def test_member_that_falls_silent_is_let_go_after_its_session() -> None:
    cluster = Cluster(GroupConfig(share_session_timeout_ms=1_000))
    beat(cluster, "a", JOIN_EPOCH, "orders")
    beat(cluster, "b", JOIN_EPOCH, "orders")
    cluster.pass_time(900)
    epoch = share_group(cluster).epoch
    beat(cluster, "b", epoch)
    cluster.pass_time(200)
    assert set(share_group(cluster).members) == {"b"}
    assert share_group(cluster).epoch == epoch + 1
    assert beat(cluster, "a", 1).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_member_whose_reply_was_lost_goes_on_with_its_last_epoch_but_no_older_one() -> None:
    cluster = Cluster()
    for number, names in enumerate([("orders",), ("orders", "payments"), ("payments",)]):
        assert beat(cluster, "a", number, *names).member_epoch == number + 1
    assert beat(cluster, "a", 2).member_epoch == 3
    fenced = beat(cluster, "a", 1)
    assert fenced.error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert fenced.error_message is not None
    assert "smaller member epoch (1)" in fenced.error_message
    assert "previous member epoch (2)" in fenced.error_message


def test_share_group_takes_no_offsets_and_no_members_of_other_protocols() -> None:
    cluster = Cluster()
    beat(cluster, "a", JOIN_EPOCH, "orders")
    consumer = ConsumerGroupHeartbeatRequest(
        group_id=GROUP,
        member_id="x",
        member_epoch=0,
        rebalance_timeout_ms=1,
        subscribed_topic_names=["orders"],
        topic_partitions=[],
    )
    refused = cluster.ask("consumer_heartbeat", consumer, 1)
    assert (refused.error_code, refused.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        f"Group {GROUP} is not a consumer group.",
    )
    assert cluster.commit({("orders", 0): 1}) == {("orders", 0): ErrorCode.GROUP_ID_NOT_FOUND}
    place = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=1)
    in_transaction = TxnOffsetCommitRequest(
        transactional_id="t", group_id=GROUP, topics=[TxnOffsetCommitRequestTopic(name="orders", partitions=[place])]
    )
    (topic,) = cluster.ask("commit_transactional", in_transaction, 3).topics
    assert topic.partitions[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert cluster.joined(cluster.join()).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert GROUP not in cluster.coordinator._registry.groups
