"""OffsetFetch. See `coordination.groups.offset_fetch`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.offset_fetch import OffsetFetchRequest


@handles(OffsetFetchRequest)
def offset_fetch(request: OffsetFetchRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.fetch_offsets, request, context)
