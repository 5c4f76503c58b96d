"""ConsumerGroupHeartbeat (KIP-848). See `coordination.groups.consumer_heartbeat`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Check, refuse, whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_TOPIC, READ_GROUP
from tidings.security.rules import ResourceType
from tidings.wire.message import Message
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


def _may_describe_topics(request: ConsumerGroupHeartbeatRequest, context: Context) -> None:
    names = request.subscribed_topic_names or ()
    if not all(context.may(DESCRIBE_TOPIC, name) for name in names):
        raise refuse(ResourceType.TOPIC)


@handles(
    ConsumerGroupHeartbeatRequest,
    access=[
        whole(READ_GROUP, "group_id"),
        Check(_may_describe_topics, [DESCRIBE_TOPIC]),
    ],
)
def consumer_group_heartbeat(request: ConsumerGroupHeartbeatRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.consumer_heartbeat, request, context)
