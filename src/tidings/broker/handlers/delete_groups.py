"""DeleteGroups. See `coordination.groups.delete`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import each
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DELETE_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.delete_groups import DeleteGroupsRequest


@handles(DeleteGroupsRequest, access=[each(DELETE_GROUP, "groups_names", "results", name="")])
def delete_groups(request: DeleteGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.delete, request, context)
