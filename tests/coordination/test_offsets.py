"""Committed offsets: who may commit, what is told, what is taken back."""

from __future__ import annotations

import pytest
from tests.coordination.harness import DAY_MS, GROUP, SESSION_MS, Cluster, durable, subscription

from tidings.coordination.groups.clock_jumps import GRACE_MS
from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

ORDERS_0 = ("orders", 0)
OK = {ORDERS_0: ErrorCode.NONE}


def codes_to_delete(cluster: Cluster, topic: str, *partitions: int) -> list[int]:
    wanted = [OffsetDeleteRequestPartition(partition_index=index) for index in partitions]
    request = OffsetDeleteRequest(group_id=GROUP, topics=[OffsetDeleteRequestTopic(name=topic, partitions=wanted)])
    reply = cluster.ask("delete_offsets", request, 0)
    return [reply.error_code] if reply.error_code else [p.error_code for p in reply.topics[0].partitions]


def codes_to_delete_groups(cluster: Cluster, *group_ids: str) -> list[int]:
    reply = cluster.ask("delete", DeleteGroupsRequest(groups_names=list(group_ids)), 2)
    return [result.error_code for result in reply.results]


def test_what_a_consumer_without_a_group_commits_is_kept(cluster: Cluster) -> None:
    assert cluster.commit({ORDERS_0: 7, ("payments", 1): 3}) == {ORDERS_0: 0, ("payments", 1): 0}
    assert cluster.offsets() == {ORDERS_0: 7, ("payments", 1): 3}


def test_a_later_commit_replaces_an_earlier_one_even_if_it_goes_back(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 7})
    cluster.commit({ORDERS_0: 2})
    assert cluster.offset(*ORDERS_0) == 2


def test_offsets_survive_a_restart_with_all_that_belongs_to_them(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 7}, leader_epoch=3, metadata="from the night run")
    cluster.restart()
    wanted = OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1])
    reply = cluster.ask("fetch_offsets", OffsetFetchRequest(group_id=GROUP, topics=[wanted]), 7)
    known, unknown = reply.topics[0].partitions
    assert (known.committed_offset, known.committed_leader_epoch, known.metadata) == (7, 3, "from the night run")
    assert (unknown.committed_offset, unknown.committed_leader_epoch, unknown.metadata) == (-1, -1, "")


@pytest.mark.parametrize("version", [1, 2, 5, 7])
def test_a_group_nobody_knows_has_come_nowhere(cluster: Cluster, version: int) -> None:
    wanted = OffsetFetchRequestTopic(name="orders", partition_indexes=[0])
    reply = cluster.ask("fetch_offsets", OffsetFetchRequest(group_id="nobody", topics=[wanted]), version)
    assert reply.error_code == ErrorCode.NONE
    assert reply.topics[0].partitions[0].committed_offset == -1
    assert reply.topics[0].partitions[0].error_code == ErrorCode.NONE


def test_several_groups_are_told_apart_in_one_request(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1}, group_id="a")
    cluster.commit({ORDERS_0: 2}, group_id="b")
    groups = [OffsetFetchRequestGroup(group_id=group_id, topics=None) for group_id in ("b", "nobody", "a")]
    reply = cluster.ask("fetch_offsets", OffsetFetchRequest(groups=groups, require_stable=True), 8)
    found = [[p.committed_offset for t in group.topics for p in t.partitions] for group in reply.groups]
    assert found == [[2], [], [1]]


def test_from_version_10_topics_go_by_their_ids(cluster: Cluster) -> None:
    assert cluster.commit({ORDERS_0: 9}, version=10) == OK
    orders_id, _ = cluster.topics["orders"]
    topics = [
        OffsetFetchRequestTopics(topic_id=orders_id, partition_indexes=[0]),
        OffsetFetchRequestTopics(topic_id=b"\x09" * 16, partition_indexes=[0]),
    ]
    request = OffsetFetchRequest(
        groups=[
            OffsetFetchRequestGroup(group_id=GROUP, topics=topics),
            OffsetFetchRequestGroup(group_id=GROUP, topics=None),
        ]
    )
    named, all_there = cluster.ask("fetch_offsets", request, 10).groups
    assert [(t.topic_id, t.partitions[0].committed_offset, t.partitions[0].error_code) for t in named.topics] == [
        (orders_id, 9, ErrorCode.NONE),
        (b"\x09" * 16, -1, ErrorCode.UNKNOWN_TOPIC_ID),
    ]
    assert [(t.topic_id, t.partitions[0].committed_offset) for t in all_there.topics] == [(orders_id, 9)]


def test_an_unknown_topic_is_refused_by_itself(cluster: Cluster) -> None:
    codes = cluster.commit({ORDERS_0: 1, ("orders", 4): 1, ("nothing", 0): 1, ("orders", -1): 1})
    assert codes[ORDERS_0] == ErrorCode.NONE
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes[("orders", 4)] == codes[("nothing", 0)] == codes[("orders", -1)] == unknown
    assert cluster.commit({ORDERS_0: 1}, version=10, topic_id=b"\x09" * 16)[ORDERS_0] == ErrorCode.UNKNOWN_TOPIC_ID
    assert cluster.offsets() == {ORDERS_0: 1}


def test_metadata_has_a_limit_by_partition(cluster: Cluster) -> None:
    assert cluster.commit({ORDERS_0: 1}, metadata="m" * 4096) == OK
    assert cluster.commit({ORDERS_0: 2}, metadata="m" * 4097)[ORDERS_0] == ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert cluster.offset(*ORDERS_0) == 1
    assert cluster.commit({ORDERS_0: 3}, metadata=None) == OK


def test_members_commit_for_their_generation(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    assert cluster.commit({ORDERS_0: 5}, member_id=member.member_id, generation=1) == OK
    assert cluster.offset(*ORDERS_0) == 5


@pytest.mark.parametrize(
    ("member_id", "generation", "code"),
    [
        ("", -1, ErrorCode.UNKNOWN_MEMBER_ID),
        ("stranger", 1, ErrorCode.UNKNOWN_MEMBER_ID),
        ("MEMBER", 0, ErrorCode.ILLEGAL_GENERATION),
        ("MEMBER", 2, ErrorCode.ILLEGAL_GENERATION),
        ("MEMBER", -1, ErrorCode.ILLEGAL_GENERATION),
    ],
)
def test_nobody_else_may_commit_while_a_group_has_members(
    cluster: Cluster, member_id: str, generation: int, code: ErrorCode
) -> None:
    (member,) = cluster.stable({})
    member_id = member.member_id if member_id == "MEMBER" else member_id
    assert cluster.commit({ORDERS_0: 5}, member_id=member_id, generation=generation) == {ORDERS_0: code}
    assert cluster.offsets() == {}


def test_a_member_that_was_stopped_past_its_session_commits_nothing_any_more(cluster: Cluster) -> None:
    slow, other = cluster.stable({}, {"session_ms": 100_000})
    cluster.pass_time(SESSION_MS)
    cluster.join(other.member_id)
    codes = cluster.commit({ORDERS_0: 5}, member_id=slow.member_id, generation=1)
    assert codes == {ORDERS_0: ErrorCode.UNKNOWN_MEMBER_ID}


def test_members_may_still_commit_while_the_group_joins_again(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {})
    cluster.join(leader.member_id)
    assert cluster.commit({ORDERS_0: 5}, member_id=follower.member_id, generation=1) == OK


def test_nobody_commits_between_generation_and_assignment(cluster: Cluster) -> None:
    (leader,) = cluster.formed({})
    codes = cluster.commit({ORDERS_0: 5}, member_id=leader.member_id, generation=1)
    assert codes == {ORDERS_0: ErrorCode.REBALANCE_IN_PROGRESS}


def test_commits_keep_a_session_alive(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    for offset in range(3):
        cluster.pass_time(SESSION_MS - 1)
        assert cluster.commit({ORDERS_0: offset}, member_id=member.member_id, generation=1) == OK


@pytest.mark.parametrize(("version", "code"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)])
def test_a_generation_of_a_group_nobody_knows_is_refused(cluster: Cluster, version: int, code: ErrorCode) -> None:
    assert cluster.commit({ORDERS_0: 5}, member_id="m", generation=3, version=version) == {ORDERS_0: code}


def test_a_commit_that_is_refused_writes_nothing(cluster: Cluster) -> None:
    before = len(cluster.log)
    cluster.commit({("nothing", 0): 1})
    cluster.commit({ORDERS_0: 1}, generation=4)
    assert len(cluster.log) == before


def test_offsets_of_what_is_no_longer_read_can_be_deleted(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1, ("payments", 0): 2})
    cluster.stable({"protocols": {"range": subscription("orders")}})
    assert codes_to_delete(cluster, "orders", 0) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]
    assert codes_to_delete(cluster, "payments", 0, 1) == [ErrorCode.NONE, ErrorCode.NONE]
    assert codes_to_delete(cluster, "nothing", 0) == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert cluster.offsets() == {ORDERS_0: 1}


def test_while_nobody_can_tell_what_is_read_nothing_is_deleted(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1})
    cluster.stable({"protocols": {"range": b"\xff"}})
    assert codes_to_delete(cluster, "orders", 0) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]


def test_offsets_of_a_group_of_another_kind_are_not_deleted_under_it(cluster: Cluster) -> None:
    assert codes_to_delete(cluster, "orders", 0) == [ErrorCode.GROUP_ID_NOT_FOUND]
    cluster.stable({"protocol_type": "connect"})
    assert codes_to_delete(cluster, "orders", 0) == [ErrorCode.NON_EMPTY_GROUP]


def test_a_group_without_members_is_deleted_with_its_offsets(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    cluster.commit({ORDERS_0: 1}, member_id=member.member_id, generation=1)
    assert codes_to_delete_groups(cluster, GROUP, "nobody") == [
        ErrorCode.NON_EMPTY_GROUP,
        ErrorCode.GROUP_ID_NOT_FOUND,
    ]
    cluster.leave(member.member_id)
    assert codes_to_delete_groups(cluster, GROUP) == [ErrorCode.NONE]
    assert cluster.offset(*ORDERS_0) == -1
    assert cluster.coordinator.state_of(GROUP) is GroupState.DEAD
    cluster.restart()
    assert durable(cluster.coordinator) == {}


def test_offsets_go_with_their_topic(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1, ("payments", 0): 2})
    cluster.apply(cluster.coordinator.topics_deleted(["orders"]))
    assert cluster.offsets() == {("payments", 0): 2}


def test_offsets_of_a_topic_that_was_deleted_just_before_a_crash_go_at_the_next_start(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1, ("payments", 0): 2})
    cluster.topics["orders"] = (b"\x07" * 16, 4)  # deleted, and made anew under the same name
    del cluster.topics["payments"]
    cluster.restart()
    assert cluster.offsets() == {}


def test_a_week_after_the_last_member_left_nothing_is_kept(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    cluster.commit({ORDERS_0: 1}, member_id=member.member_id, generation=1)
    for _ in range(9 * DAY_MS // SESSION_MS // 100):
        cluster.pass_time(SESSION_MS - 1)
        cluster.heartbeat(member.member_id, 1)
    cluster.leave(member.member_id)
    cluster.pass_time(7 * DAY_MS - 1)
    assert cluster.offset(*ORDERS_0) == 1
    cluster.pass_time(cluster.config.offsets_retention_check_interval_ms + 1)
    assert cluster.offset(*ORDERS_0) == -1
    assert cluster.coordinator.state_of(GROUP) is GroupState.DEAD
    assert durable(cluster.coordinator) == {}


def test_of_a_consumer_without_a_group_each_offset_has_a_week(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1})
    cluster.pass_time(4 * DAY_MS)
    cluster.commit({("orders", 1): 1})
    cluster.pass_time(4 * DAY_MS)
    assert cluster.offsets() == {("orders", 1): 1}


def test_a_retention_of_its_own_counts_from_the_commit(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1}, version=4, retention_ms=DAY_MS)
    cluster.restart()
    cluster.pass_time(DAY_MS - cluster.config.offsets_retention_check_interval_ms)
    assert cluster.offset(*ORDERS_0) == 1
    cluster.pass_time(2 * cluster.config.offsets_retention_check_interval_ms)
    assert cluster.offset(*ORDERS_0) == -1


def test_what_a_group_with_members_no_longer_reads_expires(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1, ("payments", 0): 1})
    cluster.stable({"session_ms": 1_800_000})
    for _ in range(8 * 48):
        cluster.pass_time(1_800_000 - 1)
        cluster.heartbeat("app-id0", 1)
    assert cluster.offsets() == {ORDERS_0: 1}


def test_a_clock_that_jumps_ahead_leaves_members_an_hour_to_come_back(cluster: Cluster) -> None:
    cluster.commit({ORDERS_0: 1})
    interval_ms = cluster.config.offsets_retention_check_interval_ms
    cluster.wall_ms += 10 * DAY_MS
    cluster.pass_time(GRACE_MS)
    assert cluster.offset(*ORDERS_0) == 1
    cluster.pass_time(2 * interval_ms)
    assert cluster.offset(*ORDERS_0) == -1


def test_offsets_may_be_kept_without_a_group_name_but_not_under_an_endless_one(cluster: Cluster) -> None:
    assert cluster.commit({ORDERS_0: 1}, group_id="") == OK
    assert cluster.commit({ORDERS_0: 1}, group_id="g" * 8192) == {ORDERS_0: ErrorCode.INVALID_GROUP_ID}


def test_the_oldest_request_a_client_may_send_is_understood(cluster: Cluster) -> None:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=4, committed_metadata="x")
    topic = OffsetCommitRequestTopic(name="orders", partitions=[partition])
    request = OffsetCommitRequest(group_id=GROUP, generation_id_or_member_epoch=-1, member_id="", topics=[topic])
    reply = cluster.ask("commit_offsets", request, 2)
    assert reply.topics[0].partitions[0].error_code == ErrorCode.NONE
    assert cluster.offset(*ORDERS_0) == 4
