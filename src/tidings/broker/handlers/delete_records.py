"""DeleteRecords: the log of a partition begins later from now on (KIP-107); -1 stands for the high watermark.

What lies before is not served any more, and its segments go. Topics of the broker's own are refused, and so are those
that are compacted and not deleted from: for them old records are not old.
"""

from __future__ import annotations

import asyncio

from tidings.broker.access.guards import each
from tidings.broker.requests.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.security.rights import DELETE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

NO_WATERMARK = -1


@handles(DeleteRecordsRequest, access=[each(DELETE_TOPIC, "topics")])
async def delete_records(request: DeleteRecordsRequest, context: Context) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name, partitions=[await _delete(topic.name, asked, context) for asked in topic.partitions]
            )
            for topic in request.topics
        ]
    )


async def _delete(topic: str, asked: DeleteRecordsPartition, context: Context) -> DeleteRecordsPartitionResult:
    result = DeleteRecordsPartitionResult(partition_index=asked.partition_index, low_watermark=NO_WATERMARK)
    try:
        partition = context.broker.catalog.partition(topic, asked.partition_index)
        if context.broker.catalog.topic(topic).is_internal:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic} belongs to the broker.")
        if not partition.config.deletes:
            raise ApiError(ErrorCode.POLICY_VIOLATION, "The topic is compacted, not deleted from.")
        result.low_watermark = await asyncio.to_thread(partition.delete_before, asked.offset)
    except ApiError as error:
        result.error_code = error.code
    except DiskError:
        result.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return result
