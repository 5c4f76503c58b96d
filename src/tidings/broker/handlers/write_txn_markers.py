"""WriteTxnMarkers: end transactions in single partitions. Brokers ask each other so; here, an operator who found a
transaction hanging (`kafka-transactions abort`, KIP-664). v2 says the version of transactions (KIP-1228). The epoch of
the coordinator is not looked at: there is never another one.
"""

from __future__ import annotations

import asyncio
from functools import partial

from tidings.broker.access.guards import cluster
from tidings.broker.access.refusals import refused_item
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.outcome import Producer
from tidings.security.rights import ALTER_CLUSTER, CLUSTER_ACTION_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)


def _refused(request: WriteTxnMarkersRequest, code: ErrorCode, version: int) -> WriteTxnMarkersResponse:
    markers = []
    for marker in request.markers:
        topics = [refused_item(WritableTxnMarkerTopicResult, topic, code) for topic in marker.topics]
        markers.append(WritableTxnMarkerResult(producer_id=marker.producer_id, topics=topics))
    return WriteTxnMarkersResponse(markers=markers)


@handles(WriteTxnMarkersRequest, access=[cluster(ALTER_CLUSTER, CLUSTER_ACTION_CLUSTER)], refused=_refused)
async def write_txn_markers(request: WriteTxnMarkersRequest, context: Context) -> WriteTxnMarkersResponse:
    under_way: list[asyncio.Future[None]] = []
    results = [_write(marker, context, under_way) for marker in request.markers]
    await asyncio.gather(*under_way)
    return WriteTxnMarkersResponse(markers=results)


def _write(
    marker: WritableTxnMarker, context: Context, under_way: list[asyncio.Future[None]]
) -> WritableTxnMarkerResult:
    result = WritableTxnMarkerResult(producer_id=marker.producer_id)
    for topic in marker.topics:
        told = WritableTxnMarkerTopicResult(name=topic.name)
        result.topics.append(told)
        for index in topic.partition_indexes:
            reply = WritableTxnMarkerPartitionResult(partition_index=index)
            told.partitions.append(reply)
            future = context.broker.loop.create_future()
            under_way.append(future)
            context.broker.transactions.markers.write(
                topic.name,
                index,
                Producer(marker.producer_id, marker.producer_epoch),
                commit=marker.transaction_result,
                done=partial(_written, reply, future),
            )
    return result


def _written(reply: WritableTxnMarkerPartitionResult, future: asyncio.Future[None], error: Exception | None) -> None:
    if isinstance(error, ApiError):
        reply.error_code = error.code
    elif error is not None:
        reply.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    if not future.done():
        future.set_result(None)
