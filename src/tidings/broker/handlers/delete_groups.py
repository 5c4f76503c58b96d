"""DeleteGroups. See `coordination.groups.delete`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.delete_groups import DeleteGroupsRequest


@handles(DeleteGroupsRequest)
def delete_groups(request: DeleteGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.delete, request, context)
