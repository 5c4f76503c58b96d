"""ConsumerGroupHeartbeat (KIP-848). See `coordination.groups.consumer_heartbeat`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


@handles(ConsumerGroupHeartbeatRequest)
def consumer_group_heartbeat(request: ConsumerGroupHeartbeatRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.consumer_heartbeat, request, context)
