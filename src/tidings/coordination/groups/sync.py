"""SyncGroup: the leader brings the assignment, every member gets its own.

v3 static members. v5 the protocol's type and name are compared with the group's, if given.
"""

from __future__ import annotations

from tidings.coordination.groups import replies
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Waiting
from tidings.coordination.groups.mixed.sync import sync_with_consumers
from tidings.coordination.groups.records import group_record
from tidings.coordination.groups.registry import Registry, check_group_id
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.sync_group import SyncGroupRequest


def sync(registry: Registry, request: SyncGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
    outcome = Outcome()
    try:
        check_group_id(request.group_id)
        of_consumers = registry.consumer_groups.get(request.group_id)
        if of_consumers is not None:
            outcome.reply(ticket, sync_with_consumers(registry, of_consumers, request, now))
            return outcome
        group = _group_of(registry, request)
        member = group.known_member(request.member_id, request.group_instance_id)
        _check(group, request)
    except ApiError as error:
        outcome.reply(ticket, replies.not_synced(error.code))
        return outcome
    group.unsynced_ids.discard(member.member_id)
    if group.state is GroupState.STABLE:
        registry.expect_heartbeat(group, member, now.monotonic_ms)
        outcome.reply(ticket, replies.synced(group, member.assignment))
        return outcome
    replies.wait_to_sync(member, Waiting(ticket, client.api_version), outcome)
    if group.leader_id == member.member_id:
        _assign(registry, group, request, now, outcome)
    return outcome


def _group_of(registry: Registry, request: SyncGroupRequest) -> Group:
    group = registry.groups.get(request.group_id)
    if group is None or group.state is GroupState.EMPTY:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    return group


def _check(group: Group, request: SyncGroupRequest) -> None:
    if request.generation_id != group.generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    if request.protocol_type not in (None, group.protocol_type) or request.protocol_name not in (
        None,
        group.protocol_name,
    ):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.state is GroupState.PREPARING_REBALANCE:
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)


def _assign(registry: Registry, group: Group, request: SyncGroupRequest, now: Now, outcome: Outcome) -> None:
    """Record what the leader decided: replaying it makes the group Stable. Whom it forgot gets an empty assignment."""
    assignments = {a.member_id: bytes(a.assignment) for a in request.assignments}
    outcome.records.append(group_record(group, assignments))
    for member in group.members.values():
        if member.syncing is not None:
            message = replies.synced(group, assignments.get(member.member_id, b""))
            replies.let_sync(member, message, outcome)
            registry.expect_heartbeat(group, member, now.monotonic_ms)
