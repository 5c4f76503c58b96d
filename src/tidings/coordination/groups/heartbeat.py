"""Heartbeat: "I am alive", and by its answer "join again". v3 static members."""

from __future__ import annotations

from tidings.coordination.groups.mixed.heartbeat import hear_beside_consumers
from tidings.coordination.groups.registry import Registry, check_group_id
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


def heartbeat(registry: Registry, request: HeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
    outcome = Outcome()
    try:
        _hear(registry, request, now)
        code = ErrorCode.NONE
    except ApiError as error:
        code = error.code
    outcome.reply(ticket, HeartbeatResponse(error_code=code))
    return outcome


def _hear(registry: Registry, request: HeartbeatRequest, now: Now) -> None:
    check_group_id(request.group_id)
    of_consumers = registry.consumer_groups.get(request.group_id)
    if of_consumers is not None:
        hear_beside_consumers(registry, of_consumers, request, now)
        return
    group = registry.groups.get(request.group_id)
    if group is None:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    member = group.known_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    registry.expect_heartbeat(group, member, now.monotonic_ms)
    if group.state is GroupState.PREPARING_REBALANCE:
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)
