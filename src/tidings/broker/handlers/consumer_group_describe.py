"""ConsumerGroupDescribe (KIP-848). See `coordination.groups.consumer_describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest


@handles(ConsumerGroupDescribeRequest)
def consumer_group_describe(request: ConsumerGroupDescribeRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.describe_consumer_groups, request, context)
