"""ListGroups. See `coordination.groups.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER, DESCRIBE_GROUP
from tidings.security.rules import CLUSTER_NAME
from tidings.wire.message import Message
from tidings.wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse


def _narrow(request: ListGroupsRequest, reply: ListGroupsResponse, context: Context) -> None:
    """Who may describe the cluster sees all groups, others those that they may describe."""
    if not context.may(DESCRIBE_CLUSTER, CLUSTER_NAME):
        reply.groups = [group for group in reply.groups if context.may(DESCRIBE_GROUP, group.group_id)]


@handles(
    ListGroupsRequest,
    access=[Sight(_narrow, [DESCRIBE_CLUSTER, DESCRIBE_GROUP])],
)
def list_groups(request: ListGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.list, request, context)
