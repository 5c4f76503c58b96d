"""SyncGroup: answered when the leader has assigned. See `coordination.groups.sync`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.sync_group import SyncGroupRequest


@handles(SyncGroupRequest, access=[whole(READ_GROUP, "group_id")])
def sync_group(request: SyncGroupRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.sync, request, context)
