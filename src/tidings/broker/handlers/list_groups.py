"""ListGroups. See `coordination.groups.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.list_groups import ListGroupsRequest


@handles(ListGroupsRequest)
def list_groups(request: ListGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.list, request, context)
