"""DescribeGroups. See `coordination.groups.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight, each
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_GROUP
from tidings.security.rules import ResourceType
from tidings.wire.message import Message
from tidings.wire.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse


def _narrow(request: DescribeGroupsRequest, reply: DescribeGroupsResponse, context: Context) -> None:
    for group in reply.groups if request.include_authorized_operations else ():
        if not group.error_code:
            group.authorized_operations = context.operations(ResourceType.GROUP, group.group_id)


@handles(DescribeGroupsRequest, access=[each(DESCRIBE_GROUP, "groups", name=""), Sight(_narrow)])
def describe_groups(request: DescribeGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.describe, request, context)
