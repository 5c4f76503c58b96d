"""DescribeProducers: who writes to a partition, and which transactions are open there (KIP-664)."""

from __future__ import annotations

from tidings.broker.access.guards import each
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.requests.lookup import find_partition
from tidings.errors import DiskError
from tidings.security.rights import READ_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


@handles(DescribeProducersRequest, access=[each(READ_TOPIC, "topics")])
def describe_producers(request: DescribeProducersRequest, context: Context) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_partition(topic.name, index, context) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(topic: str, index: int, context: Context) -> PartitionResponse:
    try:
        producers = find_partition(context.broker.catalog, topic, index).producers()
    except ApiError as error:
        return PartitionResponse(partition_index=index, error_code=error.code, error_message=str(error))
    except DiskError as error:
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return PartitionResponse(partition_index=index, error_code=code, error_message=str(error))
    return PartitionResponse(
        partition_index=index,
        active_producers=[
            ProducerState(
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                last_sequence=producer.last_sequence,
                last_timestamp=producer.last_timestamp,
                coordinator_epoch=producer.coordinator_epoch,
                current_txn_start_offset=producer.first_offset,
            )
            for producer in producers
        ],
    )
