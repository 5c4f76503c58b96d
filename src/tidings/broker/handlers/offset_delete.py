"""OffsetDelete. See `coordination.groups.offset_delete`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import each, whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DELETE_GROUP, READ_TOPIC
from tidings.wire.message import Message
from tidings.wire.messages.offset_delete import OffsetDeleteRequest


@handles(
    OffsetDeleteRequest,
    access=[
        whole(DELETE_GROUP, "group_id"),
        each(READ_TOPIC, "topics"),
    ],
)
def offset_delete(request: OffsetDeleteRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.delete_offsets, request, context)
