"""How a group comes together: the first generation, late comers, votes, limits."""

from __future__ import annotations

import pytest
from tests.coordination.harness import GROUP, REBALANCE_MS, SESSION_MS, Cluster, join_request, subscription

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode

DELAY_MS = GroupConfig().initial_rebalance_delay_ms


def test_a_new_member_is_given_its_id_first(cluster: Cluster) -> None:
    reply = cluster.join_now()
    assert reply.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert reply.member_id == "app-id0"
    assert reply.protocol_name is None


def test_before_version_4_a_new_member_joins_at_once(cluster: Cluster) -> None:
    ticket = cluster.join(version=3)
    cluster.pass_time(DELAY_MS)
    assert cluster.joined(ticket).error_code == ErrorCode.NONE
    assert cluster.joined(ticket).member_id == cluster.joined(ticket).leader


def test_a_lone_member_leads_the_first_generation_after_the_initial_delay(cluster: Cluster) -> None:
    member_id = cluster.new_member_id()
    ticket = cluster.join(member_id)
    cluster.pass_time(DELAY_MS - 1)
    assert ticket not in cluster.replies
    cluster.pass_time(1)
    reply = cluster.joined(ticket)
    assert (reply.error_code, reply.generation_id, reply.leader) == (ErrorCode.NONE, 1, member_id)
    assert (reply.protocol_type, reply.protocol_name) == ("consumer", "range")
    assert [member.member_id for member in reply.members] == [member_id]


def test_members_that_come_one_after_the_other_form_one_generation(cluster: Cluster) -> None:
    tickets = []
    for _ in range(5):
        tickets.append(cluster.join(cluster.new_member_id()))
        cluster.pass_time(DELAY_MS - 10)
    cluster.pass_time(2 * DELAY_MS)
    assert {cluster.joined(ticket).generation_id for ticket in tickets} == {1}


def test_the_initial_wait_ends_with_the_rebalance_timeout(cluster: Cluster) -> None:
    first = cluster.join(cluster.new_member_id(), rebalance_ms=3 * DELAY_MS)
    for _ in range(4):
        cluster.pass_time(DELAY_MS - 10)
        cluster.join(cluster.new_member_id(), rebalance_ms=3 * DELAY_MS)
    assert cluster.joined(first).generation_id == 1


def test_only_the_leader_sees_what_the_others_want(cluster: Cluster) -> None:
    wants = subscription("payments")
    leader, follower = cluster.formed({}, {"protocols": {"range": wants}})
    assert {member.member_id: bytes(member.metadata) for member in leader.members} == {
        leader.member_id: subscription("orders"),
        follower.member_id: wants,
    }
    assert follower.members == []
    assert follower.leader == leader.member_id


def test_the_protocol_most_prefer_is_chosen_among_those_all_know(cluster: Cluster) -> None:
    a = {"protocols": {"sticky": b"a", "range": b"a", "roundrobin": b"a"}}
    b = {"protocols": {"roundrobin": b"b", "range": b"b"}}
    c = {"protocols": {"range": b"c", "roundrobin": b"c"}}
    d = {"protocols": {"range": b"d", "roundrobin": b"d", "sticky": b"d"}}
    assert {join.protocol_name for join in cluster.formed(a, b, c, d)} == {"range"}


def test_a_member_with_nothing_in_common_is_refused(cluster: Cluster) -> None:
    cluster.stable({})
    other = cluster.join_now(protocols={"cooperative-sticky": b""})
    assert other.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert cluster.join_now(protocol_type="connect").error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_member_without_protocols_is_refused_and_leaves_no_group_behind(cluster: Cluster) -> None:
    request = join_request()
    request.protocols = []
    assert cluster.ask("join", request, 9).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert cluster.coordinator.state_of(GROUP) is GroupState.DEAD


@pytest.mark.parametrize("session_ms", [5_999, 1_800_001, -1])
def test_a_session_timeout_out_of_bounds_is_refused(cluster: Cluster, session_ms: int) -> None:
    assert cluster.join_now(session_ms=session_ms).error_code == ErrorCode.INVALID_SESSION_TIMEOUT


@pytest.mark.parametrize("group_id", ["", "g" * 8192])
def test_a_group_needs_a_name_that_fits_into_the_log(cluster: Cluster, group_id: str) -> None:
    assert cluster.join_now(group_id=group_id).error_code == ErrorCode.INVALID_GROUP_ID


def test_an_id_nobody_gave_out_is_unknown(cluster: Cluster) -> None:
    assert cluster.join_now("stranger").error_code == ErrorCode.UNKNOWN_MEMBER_ID
    cluster.stable({})
    assert cluster.join_now("stranger").error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_newcomer_makes_a_stable_group_rebalance(cluster: Cluster) -> None:
    (old,) = cluster.stable({})
    newcomer = cluster.join(cluster.new_member_id())
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE
    assert cluster.heartbeat(old.member_id, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    rejoined = cluster.join(old.member_id)
    assert cluster.joined(newcomer).generation_id == cluster.joined(rejoined).generation_id == 2
    assert cluster.joined(newcomer).leader == old.member_id


def test_who_does_not_join_again_in_time_is_out(cluster: Cluster) -> None:
    old, lost = cluster.stable({"session_ms": 60_000}, {"session_ms": 60_000})
    newcomer = cluster.join(cluster.new_member_id())
    rejoined = cluster.join(old.member_id)
    cluster.pass_time(SESSION_MS)
    cluster.heartbeat(lost.member_id, 1)
    cluster.pass_time(REBALANCE_MS - SESSION_MS)
    assert cluster.joined(newcomer).generation_id == 2
    assert len(cluster.joined(rejoined).members) == 2
    assert cluster.heartbeat(lost.member_id, 1) == ErrorCode.UNKNOWN_MEMBER_ID


def test_when_the_leader_does_not_join_again_another_leads(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {})
    rejoined = cluster.join(follower.member_id, protocols={"range": subscription("orders", "payments")})
    cluster.pass_time(REBALANCE_MS)
    assert cluster.joined(rejoined).leader == follower.member_id != leader.member_id


def test_joining_again_unchanged_gives_a_follower_the_generation_it_is_in(cluster: Cluster) -> None:
    _, follower = cluster.stable({}, {})
    again = cluster.join_now(follower.member_id)
    assert (again.error_code, again.generation_id) == (ErrorCode.NONE, 1)
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_joining_again_with_other_wishes_makes_the_group_rebalance(cluster: Cluster) -> None:
    _, follower = cluster.stable({}, {})
    cluster.join(follower.member_id, protocols={"range": subscription("payments")})
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE


def test_the_leader_makes_the_group_rebalance_by_joining_again(cluster: Cluster) -> None:
    leader, _ = cluster.stable({}, {})
    cluster.join(leader.member_id)
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE


def test_a_join_repeated_before_the_assignment_is_answered_with_the_same_generation(cluster: Cluster) -> None:
    leader, _ = cluster.formed({}, {})
    again = cluster.join_now(leader.member_id)
    assert again.generation_id == leader.generation_id
    assert len(again.members) == 2


def test_a_newcomer_before_the_assignment_sends_those_who_wait_back_to_join(cluster: Cluster) -> None:
    _, follower = cluster.formed({}, {})
    waiting = cluster.sync(follower.member_id, 1)
    cluster.join(cluster.new_member_id())
    assert cluster.synced(waiting).error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_join_sent_again_frees_the_one_that_waits(cluster: Cluster) -> None:
    (old,) = cluster.stable({})
    member_id = cluster.new_member_id()
    first = cluster.join(member_id)
    second = cluster.join(member_id)
    assert cluster.joined(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS
    cluster.join(old.member_id)
    assert cluster.joined(second).generation_id == 2


def test_a_new_member_that_waits_too_long_is_told_to_start_over(cluster: Cluster) -> None:
    cluster.stable({"session_ms": 1_000_000, "rebalance_ms": 1_000_000})
    ticket = cluster.join(cluster.new_member_id(), rebalance_ms=1_000_000)
    cluster.pass_time(cluster.config.new_member_join_timeout_ms)
    assert cluster.joined(ticket).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_one_that_never_comes_back_for_its_id_holds_up_the_group_for_its_session_only(cluster: Cluster) -> None:
    (old,) = cluster.stable({})
    cluster.new_member_id(session_ms=SESSION_MS)
    other = cluster.new_member_id()
    tickets = [cluster.join(old.member_id), cluster.join(other)]
    assert tickets[0] not in cluster.replies
    cluster.pass_time(SESSION_MS)
    assert [cluster.joined(ticket).generation_id for ticket in tickets] == [2, 2]


def test_a_group_holds_no_more_members_than_it_may() -> None:
    cluster = Cluster(GroupConfig(members_max=2))
    cluster.stable({}, {})
    assert cluster.join_now().error_code == ErrorCode.GROUP_MAX_SIZE_REACHED


def test_while_a_full_group_joins_those_who_come_last_are_refused() -> None:
    cluster = Cluster(GroupConfig(members_max=2))
    ids = [cluster.new_member_id() for _ in range(3)]
    tickets = [cluster.join(member_id) for member_id in ids]
    assert cluster.joined(tickets[2]).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    cluster.pass_time(3 * DELAY_MS)
    assert {cluster.joined(ticket).error_code for ticket in tickets[:2]} == {ErrorCode.NONE}


def test_a_name_that_does_not_fit_into_the_log_is_refused(cluster: Cluster) -> None:
    assert cluster.join_now(instance_id="i" * 250).error_code == ErrorCode.INVALID_REQUEST
    assert cluster.join_now(protocol_type="t" * 9000).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_in_version_0_the_session_timeout_is_the_rebalance_timeout(cluster: Cluster) -> None:
    first = cluster.join(version=0)
    cluster.pass_time(DELAY_MS)
    member_id = cluster.joined(first).member_id
    cluster.sync(member_id, 1, {member_id: b""}, version=0)
    newcomer = cluster.join(version=0)
    cluster.pass_time(SESSION_MS)
    assert cluster.joined(newcomer).generation_id == 2


def test_a_member_alone_may_change_what_it_offers(cluster: Cluster) -> None:
    (member,) = cluster.stable({"protocols": {"range": b""}})
    again = cluster.join_now(member.member_id, protocols={"sticky": b""})
    assert (again.error_code, again.protocol_name) == (ErrorCode.NONE, "sticky")


def test_a_member_among_others_may_not_drop_what_they_agree_on(cluster: Cluster) -> None:
    both = {"range": b"", "sticky": b""}
    _, follower = cluster.stable({"protocols": {"range": b""}}, {"protocols": both})
    refused = cluster.join_now(follower.member_id, protocols={"sticky": b""})
    assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
