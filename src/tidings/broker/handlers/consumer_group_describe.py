"""ConsumerGroupDescribe (KIP-848). See `coordination.groups.consumer_describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight, each
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_GROUP, DESCRIBE_TOPIC
from tidings.security.rules import ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse


def _hide(request: ConsumerGroupDescribeRequest, reply: ConsumerGroupDescribeResponse, context: Context) -> None:
    """A group that reads a topic which must not be seen is told of without its members."""
    for group in reply.groups:
        named = {name for member in group.members for name in member.subscribed_topic_names or ()}
        assigned = {topic.topic_name for member in group.members for topic in member.assignment.topic_partitions}
        if not all(context.may(DESCRIBE_TOPIC, name) for name in named | assigned):
            group.error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            group.error_message = "The group has described topic(s) that the client is not authorized to describe."
            group.members = []
        if request.include_authorized_operations and not group.error_code:
            group.authorized_operations = context.operations(ResourceType.GROUP, group.group_id)


@handles(
    ConsumerGroupDescribeRequest,
    access=[
        each(DESCRIBE_GROUP, "group_ids", "groups", name=""),
        Sight(_hide, [DESCRIBE_TOPIC]),
    ],
)
def consumer_group_describe(request: ConsumerGroupDescribeRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.describe_consumer_groups, request, context)
