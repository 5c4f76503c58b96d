"""How a group comes from one generation to the next: all join, the leader assigns, all are told.

Each function moves the group as far as it can go now, and leaves a deadline for when it shall go on without those who
are missing. Deadlines: a member's session, the join phase (the rebalance timeout of the slowest member, or the initial
delay), the sync phase (the same timeout).
"""

from __future__ import annotations

from tidings.coordination.groups import replies
from tidings.coordination.groups.group import Forming, Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.records import group_record
from tidings.coordination.groups.registry import JOIN, SYNC, Registry
from tidings.coordination.groups.states import Event, GroupState
from tidings.coordination.outcome import Now, Outcome
from tidings.wire.error_codes import ErrorCode


def begin(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """Have everyone join again. They learn of it by their heartbeats, or at once if they wait for an assignment."""
    for member in group.members.values():
        if group.state is GroupState.COMPLETING_REBALANCE:
            member.assignment = b""
        if member.syncing is not None:
            replies.let_sync(member, replies.not_synced(ErrorCode.REBALANCE_IN_PROGRESS), outcome)
            registry.expect_heartbeat(group, member, now.monotonic_ms)
    registry.timers.cancel((SYNC, group.group_id))
    group.unsynced_ids.clear()
    is_first = group.state is GroupState.EMPTY
    group.move(Event.REBALANCE, now.wall_ms)
    if is_first:
        _wait_for_more(registry, group, now)
    elif group.has_all_joined:
        complete(registry, group, now, outcome)
    else:
        registry.timers.set((JOIN, group.group_id), now.monotonic_ms + group.rebalance_timeout_ms)


def _wait_for_more(registry: Registry, group: Group, now: Now) -> None:
    delay_ms = registry.config.initial_rebalance_delay_ms
    group.forming = Forming(delay_ms, remaining_ms=max(group.rebalance_timeout_ms - delay_ms, 0))
    registry.timers.set((JOIN, group.group_id), now.monotonic_ms + delay_ms)


def begin_if_leaderless(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """A group that was one of the consumer protocol has members, and nobody has ever led it."""
    if group.state is GroupState.STABLE and group.leader_id is None:
        begin(registry, group, now, outcome)


def begin_or_go_on(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """After a change among the members: begin, or, if they are joining already, see whether all have."""
    if group.state is GroupState.PREPARING_REBALANCE:
        go_on_if_complete(registry, group, now, outcome)
    else:
        begin(registry, group, now, outcome)


def go_on_if_complete(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    if group.state is GroupState.PREPARING_REBALANCE and group.forming is None and group.has_all_joined:
        complete(registry, group, now, outcome)


def join_phase_is_over(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """The deadline of the join phase has come."""
    forming = group.forming
    if forming is not None and forming.more_came and forming.remaining_ms > 0:
        delay_ms = min(registry.config.initial_rebalance_delay_ms, forming.remaining_ms)
        group.forming = Forming(delay_ms, remaining_ms=max(forming.remaining_ms - forming.delay_ms, 0))
        registry.timers.set((JOIN, group.group_id), now.monotonic_ms + delay_ms)
    else:
        complete(registry, group, now, outcome)


def complete(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """Begin the next generation with those who have joined. Static members keep their place without joining."""
    registry.timers.cancel((JOIN, group.group_id))
    group.forming = None
    for member in [m for m in group.members.values() if m.joining is None and not m.is_static]:
        group.remove(member)
        registry.forget_heartbeat(group, member.member_id)
    if group.members and not group.elect_leader():
        registry.timers.set((JOIN, group.group_id), now.monotonic_ms + group.rebalance_timeout_ms)
        return
    group.begin_generation(now.wall_ms)
    if group.members:
        _tell_generation(registry, group, now, outcome)
    else:
        outcome.records.append(group_record(group, {}))


def _tell_generation(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    for member in group.members.values():
        replies.let_join(member, replies.joined(group, member), outcome)
        registry.expect_heartbeat(group, member, now.monotonic_ms)
        member.is_new = False
        group.unsynced_ids.add(member.member_id)
    registry.timers.set((SYNC, group.group_id), now.monotonic_ms + group.rebalance_timeout_ms)


def sync_phase_is_over(registry: Registry, group: Group, now: Now, outcome: Outcome) -> None:
    """Who has not asked for its assignment by now is no longer a member; the others share what it was given."""
    if not group.unsynced_ids or group.state not in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
        return
    for member_id in list(group.unsynced_ids):
        member = group.members[member_id]
        group.remove(member)
        registry.forget_heartbeat(group, member_id)
    begin(registry, group, now, outcome)


def session_is_over(registry: Registry, group: Group, member_id: str, now: Now, outcome: Outcome) -> None:
    """No heartbeat has come for too long."""
    if member_id in group.pending_ids:
        drop_pending(registry, group, member_id, now, outcome)
        return
    member = group.members.get(member_id)
    if member is None or member.is_heard_by_waiting:
        return
    drop(registry, group, member, outcome)
    begin_or_go_on(registry, group, now, outcome)


def drop(registry: Registry, group: Group, member: Member, outcome: Outcome) -> None:
    """Take `member` out, and tell it so if it waits."""
    replies.refuse_join(member, ErrorCode.UNKNOWN_MEMBER_ID, "", outcome)
    replies.let_sync(member, replies.not_synced(ErrorCode.UNKNOWN_MEMBER_ID), outcome)
    registry.forget_heartbeat(group, member.member_id)
    group.remove(member)


def drop_pending(registry: Registry, group: Group, member_id: str, now: Now, outcome: Outcome) -> None:
    """Wait no longer for one that was given an id and did not come back with it."""
    group.pending_ids.discard(member_id)
    registry.forget_heartbeat(group, member_id)
    go_on_if_complete(registry, group, now, outcome)
    registry.forget_if_nothing(group)
