"""Requests of the data path, and what is in their replies, in few words."""

from __future__ import annotations

from typing import Any

from tests.broker.client import Client

from tidings.wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from tidings.wire.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from tidings.wire.records import Record, batches, encode_batch, records

PRODUCE = 12
"""The last version that names topics by their names; FETCH is the same for fetches."""
FETCH = 12


def batch(*values: bytes, timestamp_ms: int = -1, key: bytes | None = None, **options: Any) -> bytes:
    return bytes(encode_batch([Record(0, timestamp_ms, key, value, ()) for value in values], **options))


def produce_request(data: bytes | None, *, topic: str = "orders", index: int = 0, acks: int = -1) -> ProduceRequest:
    partition = PartitionProduceData(index=index, records=data)
    return ProduceRequest(
        acks=acks, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=[partition])]
    )


async def produce(client: Client, data: bytes | None, **where: Any) -> PartitionProduceResponse:
    response = await client.ask(produce_request(data, **where), PRODUCE)
    ((partition,),) = [topic.partition_responses for topic in response.responses]
    assert isinstance(partition, PartitionProduceResponse)
    return partition


def fetch_request(
    *offsets: tuple[str, int, int],
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    partition_max_bytes: int = 1 << 20,
    **settings: Any,
) -> FetchRequest:
    """`offsets`: topic, partition, offset."""
    partitions = [
        FetchTopic(
            topic=topic,
            partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=partition_max_bytes)],
        )
        for topic, index, offset in offsets
    ]
    return FetchRequest(max_wait_ms=max_wait_ms, min_bytes=min_bytes, topics=partitions, **settings)


def partitions_of(response: FetchResponse) -> dict[tuple[str, int], PartitionData]:
    return {
        (topic.topic, partition.partition_index): partition
        for topic in response.responses
        for partition in topic.partitions
    }


async def fetch(
    client: Client, *offsets: tuple[str, int, int], **settings: Any
) -> dict[tuple[str, int], PartitionData]:
    return partitions_of(await client.ask(fetch_request(*offsets, **settings), FETCH))


def values(partition: PartitionData) -> list[bytes | None]:
    data = partition.records or b""
    return [record.value for position, _ in batches(data) for record in records(data, position)]
