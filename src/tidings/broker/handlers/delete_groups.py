"""DeleteGroups. See `coordination.groups.delete`."""

from __future__ import annotations

from tidings.broker.access.guards import each
from tidings.broker.coordinators import share_places
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DELETE_GROUP
from tidings.wire.message import Message
from tidings.wire.messages.delete_groups import DeleteGroupsRequest


@handles(DeleteGroupsRequest, access=[each(DELETE_GROUP, "groups_names", "results", name="")])
async def delete_groups(request: DeleteGroupsRequest, context: Context) -> Message:
    """The states of a share group go first: without the group, nobody would know that they are to."""
    groups = context.broker.groups
    for group_id in request.groups_names:
        group = groups.coordinator.share_group(group_id)
        if group is not None and not group.members:
            await share_places.delete(context.broker, context.broker.share_state.places(group_id))
    return await groups.ask(groups.coordinator.delete, request, context)
