"""ShareAcknowledge: a member of a share group says what became of records it was given (KIP-932).

It is answered when what it says is on the disk. Version 2 can renew (KIP-1222): the member goes on having the records.
"""

from __future__ import annotations

from tidings.broker.access.guards import inside, whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.shares.acknowledging import Acknowledging, check_asker
from tidings.broker.shares.partition import limits_of
from tidings.broker.shares.sessions import ENDS, Wanted
from tidings.coordination.share_partition.acknowledgements import Acknowledgement
from tidings.security.rights import READ_GROUP, READ_TOPIC
from tidings.wire.error_codes import ApiError
from tidings.wire.messages.share_acknowledge import (
    PartitionData,
    ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
)


@handles(ShareAcknowledgeRequest, access=[whole(READ_GROUP, "group_id"), inside(READ_TOPIC)])
async def share_acknowledge(request: ShareAcknowledgeRequest, context: Context) -> ShareAcknowledgeResponse:
    broker = context.broker
    check_asker(request.group_id, request.member_id)
    group_id, member_id = request.group_id or "", request.member_id or ""
    session = broker.share_sessions.of_epoch(group_id, member_id, request.share_session_epoch)
    acknowledging = Acknowledging(context, session, renews=request.is_renew_ack)
    for topic in request.topics:
        for partition in topic.partitions:
            told = [
                Acknowledgement(batch.first_offset, batch.last_offset, batch.acknowledge_types)
                for batch in partition.acknowledgement_batches
            ]
            acknowledging.begin(topic.topic_id, partition.partition_index, told)
    errors = await acknowledging.errors()
    if request.share_session_epoch == ENDS:
        broker.share_sessions.end(session)
    lock_ms = limits_of(broker, group_id).lock_ms
    return ShareAcknowledgeResponse(acquisition_lock_timeout_ms=lock_ms, responses=_by_topic(errors))


def _by_topic(errors: dict[Wanted, ApiError | None]) -> list[ShareAcknowledgeTopicResponse]:
    topics: dict[bytes, ShareAcknowledgeTopicResponse] = {}
    for (topic_id, index), error in errors.items():
        topic = topics.setdefault(topic_id, ShareAcknowledgeTopicResponse(topic_id=topic_id))
        reply = PartitionData(partition_index=index)
        if error is not None:
            reply.error_code, reply.error_message = error.code, str(error)
        topic.partitions.append(reply)
    return list(topics.values())
