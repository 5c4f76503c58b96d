"""OffsetCommit: answered when the offsets are safe; until then more commits may follow, and share the sync.

See `coordination.groups.offset_commit`.
"""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import each, refused_all, topic_named, whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP, READ_TOPIC
from tidings.wire.message import Message
from tidings.wire.messages.offset_commit import OffsetCommitRequest


@handles(
    OffsetCommitRequest,
    pipelined=True,
    access=[
        whole(READ_GROUP, "group_id"),
        each(READ_TOPIC, "topics", name=topic_named, or_nothing=True),
    ],
    refused=refused_all("topics"),
)
def offset_commit(request: OffsetCommitRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.commit_offsets, request, context)
