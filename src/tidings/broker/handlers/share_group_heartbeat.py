"""ShareGroupHeartbeat. See `coordination.groups.share_heartbeat`.

Before a member is given partitions there are states for them: whoever fetches finds one (KIP-932).
"""

from __future__ import annotations

from tidings.broker.access.guards import Check, refuse, whole
from tidings.broker.coordinators import share_places
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_TOPIC, READ_GROUP
from tidings.security.rules import ResourceType
from tidings.wire.message import Message
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest


def _may_describe_topics(request: ShareGroupHeartbeatRequest, context: Context) -> None:
    if not all(context.may(DESCRIBE_TOPIC, name) for name in request.subscribed_topic_names or ()):
        raise refuse(ResourceType.TOPIC)


@handles(
    ShareGroupHeartbeatRequest,
    access=[whole(READ_GROUP, "group_id"), Check(_may_describe_topics, [DESCRIBE_TOPIC])],
)
async def share_group_heartbeat(request: ShareGroupHeartbeatRequest, context: Context) -> Message:
    groups = context.broker.groups
    names = groups.coordinator.topics_to_share(request)
    if names:
        await share_places.begin(context.broker, request.group_id, sorted(names))
    return await groups.ask(groups.coordinator.share_heartbeat, request, context)
