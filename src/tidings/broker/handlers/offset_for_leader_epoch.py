"""OffsetForLeaderEpoch: where an epoch of the log ended. It tells a consumer whether what it read is still true.

- Version 2 gives the client's current leader epoch along (KIP-320), 3 the replica id, 4 is flexible.
- An epoch we do not know of is answered with epoch and offset -1: the client starts from what it trusts.
"""

from __future__ import annotations

from tidings.broker.access.guards import Each
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.requests.lookup import check_leader_epoch, find_partition
from tidings.security.rights import CLUSTER_ACTION_CLUSTER, DESCRIBE_TOPIC, Right
from tidings.security.rules import CLUSTER_NAME
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    OffsetForLeaderTopicResult,
)


def _asks(topic: OffsetForLeaderTopic, context: Context) -> tuple[Right, str] | None:
    """Brokers may ask about every topic, consumers about those they may describe (KIP-320)."""
    if context.may(CLUSTER_ACTION_CLUSTER, CLUSTER_NAME):
        return None
    return DESCRIBE_TOPIC, topic.topic


_MAY_DESCRIBE = Each([DESCRIBE_TOPIC, CLUSTER_ACTION_CLUSTER], _asks, "topics", "topics")


@handles(OffsetForLeaderEpochRequest, access=[_MAY_DESCRIBE])
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
