"""Produce: what is taken, what is refused and how, and when it is acknowledged."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import PRODUCE, batch, fetch, produce, produce_request, values

from tidings.broker.config import DURABILITIES, Durability
from tidings.broker.server import Broker
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.api_versions import ApiVersionsRequest
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidings.wire.records import read_header


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_records_are_acknowledged_with_their_offset_and_readable(
    open_broker: OpenBroker, durability: Durability
) -> None:
    broker = await open_broker(durability=durability)
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        first = await produce(client, batch(b"a", b"b"))
        second = await produce(client, batch(b"c"))
        assert (first.error_code, first.base_offset, first.log_append_time_ms, first.log_start_offset) == (0, 0, -1, 0)
        assert second.base_offset == 2
        found = await fetch(client, ("orders", 0, 0))
        assert values(found["orders", 0]) == [b"a", b"b", b"c"]


async def test_pipelined_records_are_appended_in_the_order_of_their_requests(client: Client) -> None:
    sent = [client.send(produce_request(batch(b"%d" % n)), PRODUCE) for n in range(50)]
    offsets = [(await client.receive(one)).responses[0].partition_responses[0].base_offset for one in sent]
    assert offsets == list(range(50))


async def test_nothing_is_shown_or_acknowledged_before_it_is_synced(
    live: Broker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(live.durability, "settle", lambda *request: asked.append(request))
    sent = client.send(produce_request(batch(b"a")), PRODUCE)
    async with await Client.connect(live.address) as other:
        while not asked:
            await other.ask(ApiVersionsRequest(), 0)
        found = await fetch(other, ("orders", 0, 0))
        assert values(found["orders", 0]) == []
        assert found["orders", 0].high_watermark == 0
        monkeypatch.undo()
        live.durability.settle(*asked[0])  # type: ignore[misc]
        response = await client.receive(sent)
        assert response.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        assert values((await fetch(other, ("orders", 0, 0)))["orders", 0]) == [b"a"]


async def test_a_sync_that_fails_is_never_an_acknowledgement(
    live: Broker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Partition) -> None:
        raise DiskError("the disk is gone")

    monkeypatch.setattr(Partition, "sync", fail)
    reply = await produce(client, batch(b"a"))
    assert (reply.error_code, reply.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert reply.error_message == "the disk is gone"
    monkeypatch.undo()


async def test_acks_0_gets_no_reply_and_the_records_are_there(client: Client) -> None:
    client.send(produce_request(batch(b"a"), acks=0), PRODUCE)
    assert (await produce(client, batch(b"b"), acks=1)).base_offset == 1
    assert values((await fetch(client, ("orders", 0, 0)))["orders", 0]) == [b"a", b"b"]


async def test_acks_0_that_fails_closes_the_connection(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.send(produce_request(batch(b"a"), topic="nothing", acks=0), PRODUCE)
    assert await client.is_closed_by_broker()
    (record,) = caplog.records
    assert record.getMessage().endswith("Produce with acks=0 to nothing-0 failed: UNKNOWN_TOPIC_OR_PARTITION")


@pytest.mark.parametrize("acks", [2, -2])
async def test_other_acks_are_refused(client: Client, acks: int) -> None:
    assert (await produce(client, batch(b"a"), acks=acks)).error_code == ErrorCode.INVALID_REQUIRED_ACKS
    assert values((await fetch(client, ("orders", 0, 0)))["orders", 0]) == []


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, ErrorCode.INVALID_RECORD),
        (b"", ErrorCode.INVALID_RECORD),
        (batch(b"a") + batch(b"b"), ErrorCode.INVALID_RECORD),
        (batch(b"a")[:-1], ErrorCode.INVALID_RECORD),
        (b"x" * 100, ErrorCode.INVALID_RECORD),
        (damaged(batch(b"a")), ErrorCode.CORRUPT_MESSAGE),
        (batch(b"a", is_control=True), ErrorCode.INVALID_RECORD),
        (
            batch(b"a", is_transactional=True, producer_id=1, producer_epoch=0, base_sequence=0),
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        (batch(b"x" * 2_000_000), ErrorCode.MESSAGE_TOO_LARGE),
        (batch(b"a", timestamp_ms=1 << 50), ErrorCode.INVALID_TIMESTAMP),
    ],
)  # fmt: skip
async def test_what_cannot_be_taken_is_refused_with_its_code(
    client: Client, data: bytes | None, code: ErrorCode
) -> None:
    reply = await produce(client, data)
    assert (ErrorCode(reply.error_code), reply.base_offset) == (code, -1)
    assert reply.error_message
    assert (await produce(client, batch(b"good"))).base_offset == 0


async def test_one_partition_refused_does_not_hold_back_another(client: Client) -> None:
    partitions = [PartitionProduceData(index=index, records=batch(b"a")) for index in (0, 1, 2)]
    request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(name="orders", partition_data=partitions)])
    response = await client.ask(request, PRODUCE)
    assert [(reply.index, ErrorCode(reply.error_code)) for reply in response.responses[0].partition_responses] == [
        (0, ErrorCode.NONE),
        (1, ErrorCode.NONE),
        (2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


async def test_zstd_needs_version_7(client: Client) -> None:
    data = batch(b"a", compression=Compression.ZSTD)
    old = await client.ask(produce_request(data), 6)
    assert old.responses[0].partition_responses[0].error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    new = await client.ask(produce_request(data), 7)
    assert new.responses[0].partition_responses[0].error_code == ErrorCode.NONE


async def test_topics_go_by_id_from_version_13_on(live: Broker, client: Client) -> None:
    topic_id = live.catalog.topics["orders"].id
    for named, code in ((topic_id, ErrorCode.NONE), (b"\1" * 16, ErrorCode.UNKNOWN_TOPIC_ID)):
        data = PartitionProduceData(index=0, records=batch(b"a"))
        request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(topic_id=named, partition_data=[data])])
        (topic,) = (await client.ask(request, 13)).responses
        assert topic.topic_id == named
        assert topic.partition_responses[0].error_code == code


async def test_internal_topics_are_refused(client: Client) -> None:
    reply = await produce(client, batch(b"a"), topic="__consumer_offsets")
    assert reply.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_a_duplicate_gets_the_offset_it_had_and_is_not_written_again(client: Client) -> None:
    def numbered(sequence: int) -> bytes:
        return batch(b"a", producer_id=7, producer_epoch=0, base_sequence=sequence)

    assert (await produce(client, numbered(0))).base_offset == 0
    assert (await produce(client, numbered(1))).base_offset == 1
    again = await produce(client, numbered(0))
    assert (again.error_code, again.base_offset) == (ErrorCode.NONE, 0)
    assert (await produce(client, numbered(5))).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert len(values((await fetch(client, ("orders", 0, 0)))["orders", 0])) == 2


async def test_a_compacted_topic_takes_only_records_with_keys(live: Broker, client: Client) -> None:
    await create(live, "customers", cleanup_policy="compact")
    refused = await produce(client, batch(b"a", b"b"), topic="customers")
    assert refused.error_code == ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in refused.record_errors] == [0, 1]
    assert (await produce(client, batch(b"a", key=b"k"), topic="customers")).error_code == ErrorCode.NONE


async def test_with_log_append_time_the_reply_and_the_batch_tell_when(live: Broker, client: Client) -> None:
    await create(live, "clocked", message_timestamp_type="LogAppendTime")
    before_ms = int(time.time() * 1000)
    reply = await produce(client, batch(b"a", timestamp_ms=5), topic="clocked")
    assert before_ms <= reply.log_append_time_ms <= time.time() * 1000
    stored = (await fetch(client, ("clocked", 0, 0)))["clocked", 0].records
    assert stored is not None
    assert read_header(stored).has_append_time
    assert read_header(stored).max_timestamp == reply.log_append_time_ms


async def test_many_connections_share_syncs_and_lose_nothing(live: Broker) -> None:
    clients = [await Client.connect(live.address) for _ in range(20)]
    try:
        replies = await asyncio.gather(*(produce(client, batch(b"x")) for client in clients))
        assert sorted(reply.base_offset for reply in replies) == list(range(20))
    finally:
        for client in clients:
            await client.close()
