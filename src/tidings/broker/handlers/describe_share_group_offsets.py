"""DescribeShareGroupOffsets: where share groups stand, and (v1, KIP-1226) how many records they have yet to finish.

Without topics, all that a group has states of. A partition that the group has not begun has start offset -1, and a lag
of -1: it is not known. The same is said, as Apache Kafka does, of groups and partitions that are not there.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidings.broker.access.guards import each, inside
from tidings.broker.coordinators import share_places
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.share_state.coordinator import NOTHING
from tidings.coordination.share_state.state import NO_OFFSET, Place
from tidings.security.rights import DESCRIBE_GROUP, DESCRIBE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
)


@handles(
    DescribeShareGroupOffsetsRequest,
    access=[each(DESCRIBE_GROUP, "groups", name="group_id"), inside(DESCRIBE_TOPIC)],
)
def describe_share_group_offsets(
    request: DescribeShareGroupOffsetsRequest, context: Context
) -> DescribeShareGroupOffsetsResponse:
    return DescribeShareGroupOffsetsResponse(groups=[_group(asked, context) for asked in request.groups])


def _group(asked: DescribeShareGroupOffsetsRequestGroup, context: Context) -> DescribeShareGroupOffsetsResponseGroup:
    broker = context.broker
    wanted: Iterable[tuple[str, list[int]]]
    if asked.topics is None:
        known = share_places.of_group(broker, asked.group_id)
        wanted = [
            (topic.name, sorted(place.partition for place in places))
            for topic, places in known.items()
            if context.may(DESCRIBE_TOPIC, topic.name)
        ]
    else:
        wanted = [(topic.topic_name, topic.partitions) for topic in asked.topics]
    topics = [_topic(asked.group_id, name, partitions, context) for name, partitions in sorted(wanted)]
    return DescribeShareGroupOffsetsResponseGroup(group_id=asked.group_id, topics=topics)


def _topic(group_id: str, name: str, partitions: list[int], context: Context) -> DescribeShareGroupOffsetsResponseTopic:
    topic = context.broker.catalog.topics.get(name)
    topic_id = NULL_UUID if topic is None else topic.id
    told = []
    for index in partitions:
        try:
            told.append(_partition(group_id, name, topic_id, index, context))
        except ApiError as error:
            told.append(
                DescribeShareGroupOffsetsResponsePartition(
                    partition_index=index, start_offset=NO_OFFSET, error_code=error.code, error_message=str(error)
                )
            )
    return DescribeShareGroupOffsetsResponseTopic(topic_name=name, topic_id=topic_id, partitions=told)


def _partition(
    group_id: str, name: str, topic_id: bytes, index: int, context: Context
) -> DescribeShareGroupOffsetsResponsePartition:
    """Raises ApiError."""
    if not context.may(DESCRIBE_TOPIC, name):
        raise ApiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")
    place = Place(group_id, topic_id, index)
    try:
        state, lag = context.broker.share_state.summary(*place), share_places.lag(context.broker, place)
    except ApiError as error:
        if error.code is not ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise
        state, lag = NOTHING, share_places.UNKNOWN_LAG
    return DescribeShareGroupOffsetsResponsePartition(
        partition_index=index, start_offset=state.start_offset, leader_epoch=state.leader_epoch, lag=lag
    )
