"""OffsetFetch. See `coordination.groups.offset_fetch`."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable
from typing import TypeVar

from tidings.broker.access.guards import Sight, each, refuse, topic_named
from tidings.broker.access.refusals import refused_item
from tidings.broker.requests.dispatch import Context, Proceed, Reply, handles
from tidings.security.rights import DESCRIBE_GROUP, DESCRIBE_TOPIC
from tidings.security.rules import ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

SEVERAL_GROUPS_SINCE = 8
TOP_LEVEL_ERROR_SINCE = 2
NO_OFFSET = -1
NO_EPOCH = -1
T = TypeVar("T", OffsetFetchResponseTopic, OffsetFetchResponseTopics)
_BY_GROUP = each(DESCRIBE_GROUP, "groups", name="group_id")


class _Groups:
    """Whole groups that may not be described are refused; of others, topics that may not be."""

    needs = ([DESCRIBE_GROUP], [DESCRIBE_TOPIC])

    def __call__(self, request: OffsetFetchRequest, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]:
        if context.api_version >= SEVERAL_GROUPS_SINCE:
            return _BY_GROUP(request, context, proceed)
        if not context.may(DESCRIBE_GROUP, request.group_id):
            raise refuse(ResourceType.GROUP)
        return proceed(request)


def _refused(request: OffsetFetchRequest, code: ErrorCode, version: int) -> OffsetFetchResponse:
    """Version 2 has a code at the top; before that, each partition has one."""
    topics = [] if version >= TOP_LEVEL_ERROR_SINCE else request.topics or []
    refused = [refused_item(OffsetFetchResponseTopic, topic, code) for topic in topics]
    return OffsetFetchResponse(error_code=code, topics=refused)


def _hide_topics(request: OffsetFetchRequest, reply: OffsetFetchResponse, context: Context) -> None:
    """Topics that were asked for are refused; of all topics, those that may not be seen are not told."""
    asked = {group.group_id: group.topics for group in request.groups} | {request.group_id: request.topics}
    for group in reply.groups:
        group.topics = _narrowed(group.topics, asked.get(group.group_id) is None, context)
    reply.topics = _narrowed(reply.topics, request.topics is None, context)


def _narrowed(topics: list[T], is_all: bool, context: Context) -> list[T]:
    seen = []
    for topic in topics:
        name = topic_named(topic, context) if isinstance(topic, OffsetFetchResponseTopics) else topic.name
        if name is None or context.may(DESCRIBE_TOPIC, name):
            seen.append(topic)
        elif not is_all:
            for partition in topic.partitions:
                partition.error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                partition.committed_offset, partition.metadata = NO_OFFSET, ""
                partition.committed_leader_epoch = NO_EPOCH
            seen.append(topic)
    return seen


@handles(OffsetFetchRequest, access=[_Groups(), Sight(_hide_topics)], refused=_refused)
def offset_fetch(request: OffsetFetchRequest, context: Context) -> Future[Message]:
    groups = context.broker.groups
    return groups.ask(groups.coordinator.fetch_offsets, request, context)
