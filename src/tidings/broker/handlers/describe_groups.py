"""DescribeGroups. See `coordination.groups.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.describe_groups import DescribeGroupsRequest


@handles(DescribeGroupsRequest)
def describe_groups(request: DescribeGroupsRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.describe, request, context)
