"""DeleteShareGroupOffsets: a share group forgets topics, while nobody is in it. What is answered is on the disk."""

from __future__ import annotations

from tidings.broker.access.guards import each, whole
from tidings.broker.coordinators import share_places
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DELETE_GROUP, READ_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsResponseTopic,
)


@handles(
    DeleteShareGroupOffsetsRequest,
    access=[whole(DELETE_GROUP, "group_id"), each(READ_TOPIC, "topics", "responses", name="topic_name")],
)
async def delete_share_group_offsets(
    request: DeleteShareGroupOffsetsRequest, context: Context
) -> DeleteShareGroupOffsetsResponse:
    share_places.check_empty(context.broker, request.group_id)
    return DeleteShareGroupOffsetsResponse(
        responses=[await _delete(request.group_id, topic.topic_name, context) for topic in request.topics]
    )


async def _delete(group_id: str, name: str, context: Context) -> DeleteShareGroupOffsetsResponseTopic:
    topic = context.broker.catalog.topics.get(name)
    response = DeleteShareGroupOffsetsResponseTopic(topic_name=name, topic_id=NULL_UUID if topic is None else topic.id)
    try:
        if topic is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
        places = share_places.of_group(context.broker, group_id).get(topic)
        if places is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "There is no offset information to delete.")
        await share_places.delete(context.broker, places)
    except ApiError as error:
        response.error_code, response.error_message = error.code, str(error)
    return response
