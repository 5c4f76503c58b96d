"""JoinGroup: answered when the whole group has joined. See `coordination.groups.join`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.join_group import JoinGroupRequest


@handles(JoinGroupRequest, access=[whole(READ_GROUP, "group_id")])
def join_group(request: JoinGroupRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.join, request, context)
