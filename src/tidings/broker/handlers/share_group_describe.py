"""ShareGroupDescribe. See `coordination.groups.share_describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight, each
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_GROUP, DESCRIBE_TOPIC
from tidings.security.rules import ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.share_group_describe import (
    DescribedGroup,
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
)

HIDDEN_TOPICS = "The group has described topic(s) that the client is not authorized to describe."


def _hide(request: ShareGroupDescribeRequest, reply: ShareGroupDescribeResponse, context: Context) -> None:
    """Of a group that has been given a topic which must not be seen, nothing is told."""
    for index, group in enumerate(reply.groups):
        names = {topic.topic_name for member in group.members for topic in member.assignment.topic_partitions}
        if not all(context.may(DESCRIBE_TOPIC, name) for name in names):
            reply.groups[index] = DescribedGroup(
                group_id=group.group_id, error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED, error_message=HIDDEN_TOPICS
            )
        elif request.include_authorized_operations and not group.error_code:
            group.authorized_operations = context.operations(ResourceType.GROUP, group.group_id)


@handles(
    ShareGroupDescribeRequest,
    access=[each(DESCRIBE_GROUP, "group_ids", "groups", name=""), Sight(_hide, [DESCRIBE_TOPIC])],
)
def share_group_describe(request: ShareGroupDescribeRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.describe_share_groups, request, context)
