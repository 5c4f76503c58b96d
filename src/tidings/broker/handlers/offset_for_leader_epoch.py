"""OffsetForLeaderEpoch: where an epoch of the log ended. It tells a consumer whether what it read is still true.

- Version 2 gives the client's current leader epoch along (KIP-320), 3 the replica id, 4 is flexible.
- An epoch we do not know of is answered with epoch and offset -1: the client starts from what it trusts.
"""

from __future__ import annotations

from tidings.broker.access.guards import each
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.requests.lookup import check_leader_epoch, find_partition
from tidings.security.rights import DESCRIBE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


@handles(OffsetForLeaderEpochRequest, access=[each(DESCRIBE_TOPIC, "topics", name="topic")])
def offset_for_leader_epoch(request: OffsetForLeaderEpochRequest, context: Context) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=[_answer(topic.topic, asked, context) for asked in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _answer(topic: str, asked: OffsetForLeaderPartition, context: Context) -> EpochEndOffset:
    reply = EpochEndOffset(partition=asked.partition, error_code=ErrorCode.NONE)
    try:
        partition = find_partition(context.broker.catalog, topic, asked.partition)
        check_leader_epoch(partition, asked.current_leader_epoch)
        reply.leader_epoch, reply.end_offset = partition.epoch_end(asked.leader_epoch)
    except ApiError as error:
        reply.error_code = error.code
    return reply
