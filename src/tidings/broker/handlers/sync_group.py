"""SyncGroup: answered when the leader has assigned. See `coordination.groups.sync`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.sync_group import SyncGroupRequest


@handles(SyncGroupRequest)
def sync_group(request: SyncGroupRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.sync, request, context)
