"""Heartbeat: answered at once, also while the disk is slow. See `coordination.groups.heartbeat`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.heartbeat import HeartbeatRequest


@handles(HeartbeatRequest, access=[whole(READ_GROUP, "group_id")])
def heartbeat(request: HeartbeatRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.heartbeat, request, context, shows_nothing_recorded=True)
