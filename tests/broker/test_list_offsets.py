"""ListOffsets and OffsetForLeaderEpoch: where in the log something is."""

from __future__ import annotations

import time

import pytest
from tests.broker.client import Client
from tests.broker.data import batch, produce

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from tidings.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

NEWEST = 11


async def ask(
    client: Client, timestamp: int, version: int = NEWEST, index: int = 0, epoch: int = -1
) -> ListOffsetsPartitionResponse:
    partition = ListOffsetsPartition(partition_index=index, timestamp=timestamp, current_leader_epoch=epoch)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="orders", partitions=[partition])])
    reply = (await client.ask(request, version)).topics[0].partitions[0]
    assert isinstance(reply, ListOffsetsPartitionResponse)
    return reply


async def where(client: Client, timestamp: int, version: int = NEWEST) -> tuple[int, int]:
    reply = await ask(client, timestamp, version)
    assert reply.error_code == ErrorCode.NONE
    return reply.offset, reply.timestamp


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
async def test_earliest_and_latest(live: Broker, client: Client, version: int) -> None:
    await produce(client, batch(b"a", b"b", b"c"))
    live.catalog.partition("orders", 0).delete_before(1)
    assert await where(client, -2, version) == (1, -1)
    assert await where(client, -1, version) == (3, -1)


async def test_by_time_the_first_at_or_after_it(client: Client) -> None:
    now_ms = int(time.time() * 1000)
    for age_ms in (3000, 2000, 1000):
        await produce(client, batch(b"a", timestamp_ms=now_ms - age_ms))
    assert await where(client, now_ms - 2500) == (1, now_ms - 2000)
    assert await where(client, now_ms - 2000) == (1, now_ms - 2000)
    assert await where(client, 0) == (0, now_ms - 3000)
    assert await where(client, now_ms) == (-1, -1)


async def test_of_the_greatest_timestamp(client: Client) -> None:
    now_ms = int(time.time() * 1000)
    assert await where(client, -3) == (-1, -1)
    for age_ms in (3000, 1000, 2000):
        await produce(client, batch(b"a", timestamp_ms=now_ms - age_ms))
    assert await where(client, -3) == (1, now_ms - 1000)


async def test_without_tiered_storage_the_local_log_is_the_log_and_nothing_is_tiered(client: Client) -> None:
    await produce(client, batch(b"a"))
    assert await where(client, -4) == (0, -1)
    assert await where(client, -5) == await where(client, -6) == (-1, -1)
    assert (await ask(client, -5)).leader_epoch == -1


@pytest.mark.parametrize(("timestamp", "version"), [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (-7, 11)])
async def test_a_place_that_the_version_does_not_know_is_refused(client: Client, timestamp: int, version: int) -> None:
    assert (await ask(client, timestamp, version)).error_code == ErrorCode.UNSUPPORTED_VERSION


async def test_unknown_partitions_and_epochs_are_refused(live: Broker, client: Client) -> None:
    assert (await ask(client, -1, index=9)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    epoch = live.catalog.partition("orders", 0).leader_epoch
    assert (await ask(client, -1, epoch=epoch + 1)).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert (await ask(client, -1, epoch=epoch)).leader_epoch == epoch


async def test_a_partition_asked_for_twice_is_refused_the_second_time(client: Client) -> None:
    twice = [ListOffsetsPartition(partition_index=0, timestamp=-1)] * 2
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="orders", partitions=twice)])
    replies = (await client.ask(request, NEWEST)).topics[0].partitions
    assert [reply.error_code for reply in replies] == [ErrorCode.NONE, ErrorCode.INVALID_REQUEST]


@pytest.mark.parametrize("version", [2, 3, 4])
async def test_where_an_epoch_ends(live: Broker, client: Client, version: int) -> None:
    await produce(client, batch(b"a", b"b"))
    epoch = live.catalog.partition("orders", 0).leader_epoch

    async def end_of(asked: int, index: int = 0) -> EpochEndOffset:
        partition = OffsetForLeaderPartition(partition=index, current_leader_epoch=-1, leader_epoch=asked)
        request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="orders", partitions=[partition])])
        reply = (await client.ask(request, version)).topics[0].partitions[0]
        assert isinstance(reply, EpochEndOffset)
        return reply

    assert ((await end_of(epoch)).leader_epoch, (await end_of(epoch)).end_offset) == (epoch, 2)
    assert (await end_of(epoch + 5)).end_offset == -1
    assert (await end_of(0, index=7)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
