"""LeaveGroup: members go, or are sent away.

v3 several at once, and static members by their group.instance.id alone (how an operator removes one). v5 the reason.
"""

from __future__ import annotations

from tidings.coordination.groups import rebalance
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.mixed.leave import leave_consumers
from tidings.coordination.groups.registry import Registry, check_group_id
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)

SEVERAL_MEMBERS_SINCE = 3


def leave(registry: Registry, request: LeaveGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
    outcome = Outcome()
    leaving = request.members
    if client.api_version < SEVERAL_MEMBERS_SINCE:
        leaving = [MemberIdentity(member_id=request.member_id)]
    try:
        check_group_id(request.group_id)
    except ApiError as error:
        outcome.reply(ticket, LeaveGroupResponse(error_code=error.code))
        return outcome
    of_consumers = registry.consumer_groups.get(request.group_id)
    if of_consumers is not None:
        codes = leave_consumers(registry, of_consumers, leaving, now, outcome.records)
        outcome.reply(ticket, _reply(leaving, codes, client.api_version))
        return outcome
    group = registry.groups.get(request.group_id)
    members_before = len(group.members) if group is not None else 0
    codes = [_leave(registry, group, identity, outcome) for identity in leaving]
    if group is not None and ErrorCode.NONE in codes:
        _go_on(registry, group, len(group.members) < members_before, now, outcome)
    outcome.reply(ticket, _reply(leaving, codes, client.api_version))
    return outcome


def _leave(registry: Registry, group: Group | None, identity: MemberIdentity, outcome: Outcome) -> ErrorCode:
    if group is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    member_id = identity.member_id
    if not member_id and identity.group_instance_id is not None:
        member_id = group.static_ids.get(identity.group_instance_id, "")
    if member_id in group.pending_ids:
        group.pending_ids.discard(member_id)
        registry.forget_heartbeat(group, member_id)
        return ErrorCode.NONE
    try:
        member = group.known_member(member_id, identity.group_instance_id)
    except ApiError as error:
        return error.code
    rebalance.drop(registry, group, member, outcome)
    return ErrorCode.NONE


def _go_on(registry: Registry, group: Group, has_lost_members: bool, now: Now, outcome: Outcome) -> None:
    """The others share what the leavers had. One that was not in yet had nothing, and may only have been waited for."""
    if has_lost_members and group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
        rebalance.begin(registry, group, now, outcome)
    else:
        rebalance.go_on_if_complete(registry, group, now, outcome)
        registry.forget_if_nothing(group)


def _reply(leaving: list[MemberIdentity], codes: list[ErrorCode], api_version: int) -> LeaveGroupResponse:
    if api_version < SEVERAL_MEMBERS_SINCE:
        return LeaveGroupResponse(error_code=codes[0])
    return LeaveGroupResponse(
        error_code=ErrorCode.NONE,
        members=[
            MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=code)
            for identity, code in zip(leaving, codes, strict=True)
        ],
    )
