"""JoinGroup: become a member, or join the next generation (KIP-394 member ids, KIP-345 static members, KIP-814).

v1 rebalance timeout apart from the session timeout. v4 a new member is first given its id (MEMBER_ID_REQUIRED), so that
a retried request cannot leave a ghost in the group. v5 static members. v7 protocol type. v8 the reason. v9 a static
leader that comes back while the group is Stable is told to skip the assignment.

A group of the consumer protocol takes it as a guest (`mixed.join`), or, if nobody is in it, becomes a classic one.
"""

from __future__ import annotations

from typing import NamedTuple

from tidings.coordination.groups import rebalance, replies
from tidings.coordination.groups.consumer.records import group_tombstones
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member, Waiting, protocols_of
from tidings.coordination.groups.mixed.join import Guest, join_consumers
from tidings.coordination.groups.records import group_record
from tidings.coordination.groups.registry import Registry, check_group_id, session_key
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.join_group import JoinGroupRequest

SKIP_ASSIGNMENT_SINCE = 9
INSTANCE_ID_CHARS_MAX = 249
NAME_CHARS_MAX = 8191


class Candidate(NamedTuple):
    """A JoinGroup request, read."""

    request: JoinGroupRequest
    client: ClientInfo
    waiting: Waiting
    protocols: dict[str, bytes]
    rebalance_timeout_ms: int


def join(registry: Registry, request: JoinGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
    outcome = Outcome()
    try:
        _check(registry, request)
        if request.group_id in registry.share_groups:
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        candidate = _candidate(request, client, ticket)
        of_consumers = registry.consumer_groups.get(request.group_id)
        if of_consumers is not None and of_consumers.members:
            guest = Guest(request, client, candidate.protocols, candidate.rebalance_timeout_ms)
            outcome.reply(ticket, join_consumers(registry, of_consumers, guest, now, outcome.records))
            return outcome
        if of_consumers is not None:
            outcome.records += group_tombstones(of_consumers)
        if request.member_id:
            group = registry.groups.get(request.group_id)
            if group is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        else:
            group = registry.group_or_new(request.group_id)
        try:
            _join(registry, group, candidate, now, outcome)
        finally:
            registry.forget_if_nothing(group)
    except ApiError as error:
        member_id = "" if error.code is ErrorCode.GROUP_MAX_SIZE_REACHED else request.member_id
        outcome.reply(ticket, replies.not_joined(error.code, member_id, client.api_version))
    return outcome


def _check(registry: Registry, request: JoinGroupRequest) -> None:
    check_group_id(request.group_id)
    config = registry.config
    if not config.session_timeout_ms_min <= request.session_timeout_ms <= config.session_timeout_ms_max:
        raise ApiError(ErrorCode.INVALID_SESSION_TIMEOUT)
    if request.group_instance_id is not None and not 0 < len(request.group_instance_id) <= INSTANCE_ID_CHARS_MAX:
        raise ApiError(ErrorCode.INVALID_REQUEST)
    if any(len(name) > NAME_CHARS_MAX for name in (request.protocol_type, *(p.name for p in request.protocols))):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def _candidate(request: JoinGroupRequest, client: ClientInfo, ticket: Ticket) -> Candidate:
    timeout_ms = request.rebalance_timeout_ms if client.api_version >= 1 else request.session_timeout_ms
    return Candidate(
        request,
        client,
        Waiting(ticket, client.api_version),
        protocols_of(request.protocols),
        max(timeout_ms, 0),
    )


def _join(registry: Registry, group: Group, candidate: Candidate, now: Now, outcome: Outcome) -> None:
    request = candidate.request
    if not _has_room(registry, group, request.member_id):
        _give_up_place(registry, group, request.member_id, now, outcome)
        raise ApiError(ErrorCode.GROUP_MAX_SIZE_REACHED)
    before = group.members.get(request.member_id or group.static_ids.get(request.group_instance_id or "", ""))
    if not group.can_follow(request.protocol_type, candidate.protocols, before):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if not request.member_id:
        _join_new(registry, group, candidate, now, outcome)
    elif request.member_id in group.pending_ids:
        if request.group_instance_id is not None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)  # ids are given in advance to dynamic members only
        _add(registry, group, candidate, request.member_id, now, outcome)
    else:
        member = group.known_member(request.member_id, request.group_instance_id)
        _join_again(registry, group, member, candidate, now, outcome)


def _has_room(registry: Registry, group: Group, member_id: str) -> bool:
    members_max = registry.config.members_max
    member = group.members.get(member_id)
    if group.state is GroupState.EMPTY:
        return True
    if group.state is GroupState.PREPARING_REBALANCE:
        # Those who have joined count, so that a group that is too large loses whoever comes last.
        return (member is not None and member.joining is not None) or group.joining_count < members_max
    return member is not None or len(group.members) < members_max


def _give_up_place(registry: Registry, group: Group, member_id: str, now: Now, outcome: Outcome) -> None:
    if member_id in group.pending_ids:
        rebalance.drop_pending(registry, group, member_id, now, outcome)
    elif member_id in group.members:
        rebalance.drop(registry, group, group.members[member_id], outcome)
        rebalance.go_on_if_complete(registry, group, now, outcome)


def _join_new(registry: Registry, group: Group, candidate: Candidate, now: Now, outcome: Outcome) -> None:
    instance_id = candidate.request.group_instance_id
    member_id = registry.new_member_id(candidate.client.client_id, instance_id)
    if instance_id is not None:
        current_id = group.static_ids.get(instance_id)
        if current_id is None:
            _add(registry, group, candidate, member_id, now, outcome)
        else:
            _renew_static(registry, group, group.members[current_id], member_id, candidate, now, outcome)
    elif candidate.client.api_version >= replies.MEMBER_ID_REQUIRED_SINCE:
        group.pending_ids.add(member_id)
        registry.timers.set(session_key(group, member_id), now.monotonic_ms + candidate.request.session_timeout_ms)
        required = replies.not_joined(ErrorCode.MEMBER_ID_REQUIRED, member_id, candidate.client.api_version)
        outcome.reply(candidate.waiting.ticket, required)
    else:
        _add(registry, group, candidate, member_id, now, outcome)


def _add(registry: Registry, group: Group, candidate: Candidate, member_id: str, now: Now, outcome: Outcome) -> None:
    request, client = candidate.request, candidate.client
    member = Member(
        member_id,
        request.group_instance_id,
        client.client_id,
        client.host,
        candidate.rebalance_timeout_ms,
        request.session_timeout_ms,
        candidate.protocols,
        is_new=True,
    )
    group.add(member, request.protocol_type)
    replies.wait_to_join(group, member, candidate.waiting, outcome)
    # It cannot send heartbeats while it waits, and a closed connection tells us nothing: if the join phase takes this
    # long, its client has long retried.
    deadline_ms = now.monotonic_ms + registry.config.new_member_join_timeout_ms
    registry.timers.set(session_key(group, member_id), deadline_ms)
    rebalance.begin_or_go_on(registry, group, now, outcome)


def _join_again(
    registry: Registry, group: Group, member: Member, candidate: Candidate, now: Now, outcome: Outcome
) -> None:
    is_settled = group.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE)
    is_leader_of_stable = group.state is GroupState.STABLE and group.leader_id == member.member_id
    if is_settled and not is_leader_of_stable and member.offers(candidate.protocols):
        # It did not get our reply, or asks twice: it is in this generation already.
        outcome.reply(candidate.waiting.ticket, replies.joined(group, member))
        return
    _update(group, member, candidate, outcome)
    rebalance.begin_or_go_on(registry, group, now, outcome)


def _update(group: Group, member: Member, candidate: Candidate, outcome: Outcome) -> None:
    group.set_protocols(member, candidate.protocols)
    member.rebalance_timeout_ms = candidate.rebalance_timeout_ms
    member.session_timeout_ms = candidate.request.session_timeout_ms
    replies.wait_to_join(group, member, candidate.waiting, outcome)


def _renew_static(
    registry: Registry,
    group: Group,
    old: Member,
    member_id: str,
    candidate: Candidate,
    now: Now,
    outcome: Outcome,
) -> None:
    """A static member is back, as a process that does not know its old id. Whoever has that one is fenced."""
    leader_id_before = group.leader_id
    replies.refuse_join(old, ErrorCode.FENCED_INSTANCE_ID, old.member_id, outcome)
    replies.let_sync(old, replies.not_synced(ErrorCode.FENCED_INSTANCE_ID), outcome)
    registry.forget_heartbeat(group, old.member_id)
    member = group.renew(old, member_id)
    _update(group, member, candidate, outcome)
    registry.expect_heartbeat(group, member, now.monotonic_ms)
    if group.state is not GroupState.STABLE:
        # Its old id may be with the leader already, which would then assign to nobody.
        rebalance.begin_or_go_on(registry, group, now, outcome)
    elif group.vote() != group.protocol_name:
        rebalance.begin(registry, group, now, outcome)
    else:
        _settle_static(group, member, leader_id_before, outcome)


def _settle_static(group: Group, member: Member, leader_id_before: str | None, outcome: Outcome) -> None:
    """It goes on where it was, without a rebalance; only its new id has to be recorded."""
    outcome.records.append(group_record(group, {m.member_id: m.assignment for m in group.members.values()}))
    if member.joining is not None and member.joining.api_version >= SKIP_ASSIGNMENT_SINCE:
        is_leader = group.leader_id == member.member_id
        message = replies.joined(group, member, skip_assignment=is_leader)
    else:
        # Told the old leader's id, even its successor will not assign anew (KIP-345).
        message = replies.joined(group, member, leader_id=leader_id_before, with_members=False)
    replies.let_join(member, message, outcome)
