"""Static members (KIP-345): a process that comes back under its group.instance.id goes on where it was."""

from __future__ import annotations

from tests.coordination.harness import GROUP, REBALANCE_MS, SESSION_MS, Cluster

from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.leave_group import MemberIdentity


def test_a_static_member_joins_without_asking_for_an_id(cluster: Cluster) -> None:
    (join,) = cluster.formed({"instance_id": "shelf-1"})
    assert join.member_id == "shelf-1-id0"


def test_it_comes_back_with_its_assignment_and_without_a_rebalance(cluster: Cluster) -> None:
    leader, old = cluster.stable({}, {"instance_id": "shelf-1"})
    back = cluster.join_now(instance_id="shelf-1")
    assert (back.error_code, back.generation_id, back.leader) == (ErrorCode.NONE, 1, leader.member_id)
    assert back.member_id != old.member_id
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    ticket = cluster.sync(back.member_id, 1, instance_id="shelf-1")
    assert bytes(cluster.synced(ticket).assignment) == old.member_id.encode()


def test_its_new_id_survives_a_restart(cluster: Cluster) -> None:
    cluster.stable({}, {"instance_id": "shelf-1"})
    back = cluster.join_now(instance_id="shelf-1")
    cluster.restart()
    assert cluster.heartbeat(back.member_id, 1, "shelf-1") == ErrorCode.NONE


def test_whoever_uses_its_old_id_is_fenced(cluster: Cluster) -> None:
    _, old = cluster.stable({}, {"instance_id": "shelf-1"})
    cluster.join_now(instance_id="shelf-1")
    fenced = ErrorCode.FENCED_INSTANCE_ID
    assert cluster.heartbeat(old.member_id, 1, "shelf-1") == fenced
    assert cluster.synced(cluster.sync(old.member_id, 1, instance_id="shelf-1")).error_code == fenced
    assert cluster.join_now(old.member_id, instance_id="shelf-1").error_code == fenced
    commit = cluster.commit({("orders", 0): 1}, member_id=old.member_id, generation=1, instance_id="shelf-1")
    assert set(commit.values()) == {fenced}
    identity = MemberIdentity(member_id=old.member_id, group_instance_id="shelf-1")
    assert cluster.leave(identity).members[0].error_code == fenced


def test_a_second_process_with_its_name_frees_and_fences_the_first_that_waits(cluster: Cluster) -> None:
    leader, _ = cluster.stable({}, {})
    first = cluster.join(instance_id="shelf-1")
    second = cluster.join(instance_id="shelf-1")
    assert cluster.joined(first).error_code == ErrorCode.FENCED_INSTANCE_ID
    cluster.join(leader.member_id)
    cluster.pass_time(REBALANCE_MS)
    assert cluster.joined(second).generation_id == 2


def test_a_static_leader_that_comes_back_skips_the_assignment(cluster: Cluster) -> None:
    cluster.stable({"instance_id": "shelf-1"}, {})
    back = cluster.join_now(instance_id="shelf-1")
    assert back.skip_assignment
    assert back.leader == back.member_id
    assert len(back.members) == 2


def test_before_version_9_it_is_told_that_someone_else_leads(cluster: Cluster) -> None:
    old, _ = cluster.stable({"instance_id": "shelf-1"}, {})
    back = cluster.join_now(instance_id="shelf-1", version=8)
    assert back.leader == old.member_id
    assert back.members == []


def test_a_comeback_that_changes_the_vote_makes_the_group_rebalance(cluster: Cluster) -> None:
    both = {"range": b"", "sticky": b""}
    cluster.stable({"instance_id": "shelf-1", "protocols": both}, {"protocols": both})
    cluster.join(instance_id="shelf-1", protocols={"sticky": b""})
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE


def test_a_comeback_before_the_assignment_makes_the_group_join_again(cluster: Cluster) -> None:
    dynamic, static = cluster.formed({}, {"instance_id": "shelf-1"})
    follower = dynamic if static.leader == static.member_id else static
    waiting = cluster.sync(follower.member_id, 1)
    cluster.join(instance_id="shelf-1")
    assert cluster.synced(waiting).error_code != ErrorCode.NONE
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE


def test_it_keeps_its_place_while_it_is_away_for_less_than_its_session(cluster: Cluster) -> None:
    cluster.stable({"session_ms": 120_000}, {"instance_id": "shelf-1"})
    cluster.pass_time(SESSION_MS - 1)
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    cluster.pass_time(1)
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE


def test_it_keeps_its_place_in_a_generation_it_did_not_join(cluster: Cluster) -> None:
    dynamic, static = cluster.stable({}, {"instance_id": "shelf-1", "session_ms": 300_000})
    rejoined = cluster.join(dynamic.member_id)
    cluster.pass_time(REBALANCE_MS)
    reply = cluster.joined(rejoined)
    assert reply.generation_id == 2
    assert {member.group_instance_id for member in reply.members} == {None, "shelf-1"}
    assert cluster.heartbeat(static.member_id, 1, "shelf-1") == ErrorCode.ILLEGAL_GENERATION


def test_an_unknown_instance_with_an_id_is_unknown(cluster: Cluster) -> None:
    cluster.stable({})
    assert cluster.join_now("some-id", instance_id="shelf-9").error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_an_id_given_to_a_dynamic_member_is_no_static_members(cluster: Cluster) -> None:
    pending = cluster.new_member_id()
    assert cluster.join_now(pending, instance_id="shelf-1").error_code == ErrorCode.UNKNOWN_MEMBER_ID
