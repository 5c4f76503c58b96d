"""ListOffsets: the offset at which a time begins, or one of the places that have a negative number for a name.

- -1 latest, -2 earliest; since version 7 -3: of the greatest timestamp (KIP-734); since 8 -4: earliest on local disk
  (KIP-405: nothing is elsewhere yet, so the earliest); since 9 -5: latest in tiered storage (KIP-1005), since 11 -6:
  earliest not yet there (KIP-1023): unknown, as in Apache Kafka without tiered storage.
- The answer is never beyond what a consumer may read: an offset at or after the high watermark counts as not there.
"""

from __future__ import annotations

from tidings.broker.access.guards import each
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.requests.lookup import check_leader_epoch, find_partition
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.security.rights import DESCRIBE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6
SINCE = {LATEST: 1, EARLIEST: 1, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
"""The first version of the API in which each is understood."""

READ_COMMITTED = 1
NOWHERE = (-1, -1)


@handles(ListOffsetsRequest, access=[each(DESCRIBE_TOPIC, "topics")])
def list_offsets(request: ListOffsetsRequest, context: Context) -> ListOffsetsResponse:
    seen: set[tuple[str, int]] = set()
    response = ListOffsetsResponse()
    for topic in request.topics:
        replies = []
        for asked in topic.partitions:
            is_again = (topic.name, asked.partition_index) in seen
            seen.add((topic.name, asked.partition_index))
            replies.append(_answer(request, topic.name, asked, is_again, context))
        response.topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=replies))
    return response


def _answer(
    request: ListOffsetsRequest, topic: str, asked: ListOffsetsPartition, is_again: bool, context: Context
) -> ListOffsetsPartitionResponse:
    reply = ListOffsetsPartitionResponse(partition_index=asked.partition_index, error_code=ErrorCode.NONE)
    try:
        if is_again:
            raise ApiError(ErrorCode.INVALID_REQUEST, "a partition may be asked for once")
        if asked.timestamp < 0 and context.api_version < SINCE.get(asked.timestamp, 1 << 15):
            raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"timestamp {asked.timestamp} means nothing in this version")
        partition = find_partition(context.broker.catalog, topic, asked.partition_index)
        check_leader_epoch(partition, asked.current_leader_epoch)
        end = partition.last_stable_offset if request.isolation_level == READ_COMMITTED else partition.high_watermark
        reply.offset, reply.timestamp = _find(partition, asked.timestamp, end)
        reply.leader_epoch = partition.leader_epoch if reply.offset >= 0 else -1
    except ApiError as error:
        reply.error_code = error.code
    except DiskError:
        reply.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return reply


def _find(partition: Partition, timestamp: int, end_offset: int) -> tuple[int, int]:
    """Offset and timestamp of what `timestamp` asks for, before `end_offset`. Places have no timestamp."""
    if timestamp == LATEST:
        return end_offset, -1
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return partition.log_start_offset, -1
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return NOWHERE
    found = partition.offset_of_max_timestamp() if timestamp == MAX_TIMESTAMP else partition.offset_for_time(timestamp)
    return NOWHERE if found is None or found[0] >= end_offset else found
