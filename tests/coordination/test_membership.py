"""Being a member: assignments, heartbeats, sessions, leaving."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordination.harness import GROUP, REBALANCE_MS, SESSION_MS, Cluster

from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_groups import DescribeGroupsRequest
from tidings.wire.messages.leave_group import MemberIdentity


def test_everyone_gets_its_assignment_when_the_leader_brings_it(cluster: Cluster) -> None:
    leader, follower = cluster.formed({}, {})
    early = cluster.sync(follower.member_id, 1)
    assert early not in cluster.replies
    assert cluster.coordinator.state_of(GROUP) is GroupState.COMPLETING_REBALANCE
    first = cluster.sync(leader.member_id, 1, {leader.member_id: b"L", follower.member_id: b"F"})
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    assert bytes(cluster.synced(first).assignment) == b"L"
    assert bytes(cluster.synced(early).assignment) == b"F"
    assert cluster.synced(early).protocol_name == "range"


def test_one_that_asks_late_gets_the_same(cluster: Cluster) -> None:
    leader, follower = cluster.formed({}, {})
    cluster.sync(leader.member_id, 1, {leader.member_id: b"L", follower.member_id: b"F"})
    assert bytes(cluster.synced(cluster.sync(follower.member_id, 1)).assignment) == b"F"


def test_whom_the_leader_forgot_gets_nothing_to_do(cluster: Cluster) -> None:
    leader, follower = cluster.formed({}, {})
    cluster.sync(leader.member_id, 1, {leader.member_id: b"L"})
    assert bytes(cluster.synced(cluster.sync(follower.member_id, 1)).assignment) == b""


@pytest.mark.parametrize(
    ("member_id", "generation", "options", "code"),
    [
        ("stranger", 1, {}, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", 2, {}, ErrorCode.ILLEGAL_GENERATION),
        ("", 1, {"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ("", 1, {"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ("", 1, {"instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_who_does_not_belong_gets_no_assignment(
    cluster: Cluster, member_id: str, generation: int, options: dict[str, Any], code: ErrorCode
) -> None:
    (leader,) = cluster.formed({})
    ticket = cluster.sync(member_id or leader.member_id, generation, **options)
    assert cluster.synced(ticket).error_code == code


def test_no_assignment_is_given_while_the_group_joins_again(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {})
    cluster.join(leader.member_id)
    assert cluster.synced(cluster.sync(follower.member_id, 1)).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_who_does_not_ask_for_its_assignment_in_time_is_out(cluster: Cluster) -> None:
    leader, follower = cluster.formed({"session_ms": 120_000}, {"session_ms": 120_000})
    cluster.sync(leader.member_id, 1, {})
    cluster.pass_time(REBALANCE_MS)
    assert cluster.heartbeat(leader.member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert cluster.heartbeat(follower.member_id, 1) == ErrorCode.UNKNOWN_MEMBER_ID


def test_when_the_leader_never_assigns_the_others_are_sent_back_to_join(cluster: Cluster) -> None:
    _, follower = cluster.formed({"session_ms": 120_000}, {"session_ms": 120_000})
    waiting = cluster.sync(follower.member_id, 1)
    cluster.pass_time(REBALANCE_MS)
    assert cluster.synced(waiting).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_heartbeats_keep_a_session_alive_and_silence_ends_it(cluster: Cluster) -> None:
    loud, silent = cluster.stable({}, {})
    for _ in range(3):
        cluster.pass_time(SESSION_MS - 1)
        assert cluster.heartbeat(loud.member_id, 1) == cluster.heartbeat(silent.member_id, 1) == ErrorCode.NONE
    cluster.pass_time(SESSION_MS - 1)
    cluster.heartbeat(loud.member_id, 1)
    cluster.pass_time(1)
    assert cluster.heartbeat(loud.member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert cluster.heartbeat(silent.member_id, 1) == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_waits_for_the_others_needs_no_heartbeats(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {"session_ms": 40_000})
    waiting = cluster.join(leader.member_id)
    cluster.pass_time(2 * SESSION_MS)
    assert waiting not in cluster.replies
    cluster.join(follower.member_id)
    assert cluster.joined(waiting).generation_id == 2


@pytest.mark.parametrize(
    ("generation", "member_id", "code"),
    [(0, "", ErrorCode.ILLEGAL_GENERATION), (1, "stranger", ErrorCode.UNKNOWN_MEMBER_ID)],
)
def test_a_heartbeat_of_another_time_or_nobody_is_refused(
    cluster: Cluster, generation: int, member_id: str, code: ErrorCode
) -> None:
    (member,) = cluster.stable({})
    assert cluster.heartbeat(member_id or member.member_id, generation) == code


def test_a_heartbeat_to_a_group_that_is_not_there_is_refused(cluster: Cluster) -> None:
    assert cluster.heartbeat("m", 1) == ErrorCode.UNKNOWN_MEMBER_ID


def test_when_one_leaves_the_others_share_its_work(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {})
    reply = cluster.leave(leader.member_id)
    assert [(m.member_id, m.error_code) for m in reply.members] == [(leader.member_id, ErrorCode.NONE)]
    assert cluster.heartbeat(follower.member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert cluster.joined(cluster.join(follower.member_id)).leader == follower.member_id


def test_when_the_last_leaves_the_group_is_empty_and_that_lasts(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    cluster.leave(member.member_id, version=2)
    assert cluster.coordinator.state_of(GROUP) is GroupState.EMPTY
    cluster.restart()
    assert cluster.coordinator.state_of(GROUP) is GroupState.EMPTY
    assert cluster.stable({})[0].generation_id == 3


def test_several_may_leave_at_once_and_each_is_told(cluster: Cluster) -> None:
    a, b = cluster.stable({}, {})
    reply = cluster.leave(a.member_id, "stranger", b.member_id)
    assert [m.error_code for m in reply.members] == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE]
    assert cluster.coordinator.state_of(GROUP) is GroupState.EMPTY


def test_before_version_3_the_error_is_the_reply(cluster: Cluster) -> None:
    assert cluster.leave("stranger", version=2).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.leave("stranger", version=3).members[0].error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_one_that_leaves_before_it_was_in_disturbs_nobody(cluster: Cluster) -> None:
    cluster.stable({})
    pending = cluster.new_member_id()
    assert cluster.leave(pending).members[0].error_code == ErrorCode.NONE
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_when_the_one_all_wait_for_leaves_the_generation_begins(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {})
    waiting = cluster.join(leader.member_id)
    cluster.leave(follower.member_id)
    assert cluster.joined(waiting).generation_id == 2


def test_who_leaves_while_it_waits_is_answered(cluster: Cluster) -> None:
    leader, _ = cluster.stable({}, {})
    waiting = cluster.join(leader.member_id)
    cluster.leave(leader.member_id)
    assert cluster.joined(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_who_leaves_while_it_waits_for_its_assignment_is_answered(cluster: Cluster) -> None:
    _, follower = cluster.formed({}, {})
    waiting = cluster.sync(follower.member_id, 1)
    cluster.leave(follower.member_id)
    assert cluster.synced(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_members_and_assignments_survive_a_restart(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {"instance_id": "shelf-1"})
    cluster.restart()
    assert cluster.heartbeat(leader.member_id, 1) == ErrorCode.NONE
    assert cluster.heartbeat(follower.member_id, 1, "shelf-1") == ErrorCode.NONE
    ticket = cluster.sync(follower.member_id, 1, instance_id="shelf-1")
    assert bytes(cluster.synced(ticket).assignment) == follower.member_id.encode()


def test_after_a_restart_members_have_a_session_to_be_heard(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    cluster.restart()
    cluster.pass_time(SESSION_MS - 1)
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    cluster.pass_time(1)
    assert cluster.coordinator.state_of(GROUP) is GroupState.EMPTY
    assert cluster.heartbeat(member.member_id, 1) == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_generation_that_was_not_assigned_before_a_restart_is_over(cluster: Cluster) -> None:
    (member,) = cluster.stable({})
    joined = cluster.joined(cluster.join(member.member_id))
    assert joined.generation_id == 2
    cluster.restart()
    assert cluster.heartbeat(member.member_id, 2) == ErrorCode.ILLEGAL_GENERATION


def test_a_group_that_was_only_asked_about_ids_leaves_nothing_behind(cluster: Cluster) -> None:
    cluster.new_member_id()
    cluster.pass_time(SESSION_MS)
    described = cluster.ask("describe", DescribeGroupsRequest(groups=[GROUP]), 6)
    assert described.groups[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_an_operator_removes_a_static_member_by_its_instance_id(cluster: Cluster) -> None:
    cluster.stable({"instance_id": "shelf-1"}, {})
    reply = cluster.leave(MemberIdentity(member_id="", group_instance_id="shelf-1"))
    assert reply.members[0].error_code == ErrorCode.NONE
    assert reply.members[0].group_instance_id == "shelf-1"
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE
