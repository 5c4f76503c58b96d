"""LeaveGroup. See `coordination.groups.leave`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.leave_group import LeaveGroupRequest


@handles(LeaveGroupRequest)
def leave_group(request: LeaveGroupRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.leave, request, context)
