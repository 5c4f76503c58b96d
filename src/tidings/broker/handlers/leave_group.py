"""LeaveGroup. See `coordination.groups.leave`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.leave_group import LeaveGroupRequest


@handles(LeaveGroupRequest, access=[whole(READ_GROUP, "group_id")])
def leave_group(request: LeaveGroupRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.leave, request, context)
