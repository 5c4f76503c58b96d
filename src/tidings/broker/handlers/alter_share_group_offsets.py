"""AlterShareGroupOffsets: where a share group goes on from, while nobody is in it. What is answered is on the disk.

A group that is not there yet is made: so one can say where it is to begin before its first member comes.
"""

from __future__ import annotations

from tidings.broker.access.guards import each, whole
from tidings.broker.coordinators import share_places
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.share_state.state import Place
from tidings.security.rights import READ_GROUP, READ_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestTopic,
    AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition,
    AlterShareGroupOffsetsResponseTopic,
)


@handles(
    AlterShareGroupOffsetsRequest,
    access=[whole(READ_GROUP, "group_id"), each(READ_TOPIC, "topics", "responses", name="topic_name")],
)
async def alter_share_group_offsets(
    request: AlterShareGroupOffsetsRequest, context: Context
) -> AlterShareGroupOffsetsResponse:
    await share_places.check_empty_or_make(context.broker, request.group_id)
    responses = [await _alter(request.group_id, topic, context) for topic in request.topics]
    return AlterShareGroupOffsetsResponse(responses=responses)


async def _alter(
    group_id: str, asked: AlterShareGroupOffsetsRequestTopic, context: Context
) -> AlterShareGroupOffsetsResponseTopic:
    topic = context.broker.catalog.topics.get(asked.topic_name)
    response = AlterShareGroupOffsetsResponseTopic(
        topic_name=asked.topic_name, topic_id=NULL_UUID if topic is None else topic.id
    )
    for partition in asked.partitions:
        told = AlterShareGroupOffsetsResponsePartition(partition_index=partition.partition_index)
        response.partitions.append(told)
        try:
            context.broker.catalog.partition(asked.topic_name, partition.partition_index)
            place = Place(group_id, response.topic_id, partition.partition_index)
            await share_places.begin_at(context.broker, {place: partition.start_offset})
        except ApiError as error:
            told.error_code, told.error_message = error.code, str(error) or ErrorCode(error.code).name
    return response
