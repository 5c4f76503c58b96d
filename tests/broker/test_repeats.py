"""Produce requests that are like one before are answered as if each were the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import PRODUCE, batch, fetch, produce, produce_request, values
from tests.broker.test_access import creation, hold_to
from tests.broker.test_quotas import alter, of_client

from tidings.broker.config import DURABILITIES, Durability
from tidings.broker.requests import connection, repeats
from tidings.broker.requests.call import Call
from tidings.broker.requests.repeats import VERSION_MIN, Repeats
from tidings.broker.server import Broker
from tidings.errors import DiskError
from tidings.log.disk_files import DiskFile
from tidings.log.partition import Partition
from tidings.security.rights import WRITE_TOPIC
from tidings.security.rules import Permission
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Every request that goes the whole way."""
    made: list[Call] = []

    class Noted(Call):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(connection, "Call", Noted)
    return made


def conversation() -> Iterator[bytes]:
    """Batches such as a producer sends, good and bad, and after each bad one a good one."""
    good = batch(b"good")
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    numbered = [batch(b"a", b"b", producer_id=9, producer_epoch=0, base_sequence=2 * n) for n in range(3)]
    of_transaction = batch(b"t", is_transactional=True, producer_id=1, producer_epoch=0, base_sequence=0)
    yield from (good, good, damaged, good, good[:-1], good, good + good, good, b"", good, b"x" * 100, good)
    yield from (numbered[0], numbered[1], numbered[1], numbered[0], numbered[0][:-1], numbered[2], numbered[2])
    yield from (of_transaction, good, batch(b"z", compression=Compression.ZSTD), batch(*[b"many"] * 5000))
    yield good


async def replies(broker: Broker, version: int, acks: int, **settings: str) -> list[ProduceResponse]:
    """What is answered to a conversation, of which each request is sent twice, about a new topic."""
    topic = await create(broker, "said", 2, **settings)
    found = []
    async with await Client.connect(broker.address) as client:
        for data in conversation():
            for index in (0, 1):
                of_partition = PartitionProduceData(index=index, records=data)
                of_topic = TopicProduceData(name="said", topic_id=topic.id, partition_data=[of_partition])
                request = ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[of_topic])
                found.append(await client.ask(request, version))
                found[-1].responses[0].topic_id = b""
    return found


@pytest.mark.parametrize("acks", [1, -1])
@pytest.mark.parametrize("version", range(VERSION_MIN - 1, ProduceRequest.versions[1] + 1))
async def test_replies_are_those_of_the_whole_way(
    open_broker: OpenBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, acks: int
) -> None:
    durability = DURABILITIES[version % 2]
    repeated = await replies(await open_broker(durability=durability), version, acks)
    monkeypatch.setattr(Repeats, "call", lambda *_: None)
    other = await open_broker(durability=durability, data=tmp_path / "other")
    assert repeated == await replies(other, version, acks)


async def test_replies_tell_the_time_of_the_append_where_the_topic_does(
    open_broker: OpenBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def times(found: list[ProduceResponse]) -> list[bool]:
        return [reply.responses[0].partition_responses[0].log_append_time_ms > 0 for reply in found]

    settings = {"message_timestamp_type": "LogAppendTime"}
    repeated = times(await replies(await open_broker(), PRODUCE, 1, **settings))
    monkeypatch.setattr(Repeats, "call", lambda *_: None)
    other = await open_broker(data=tmp_path / "other")
    assert repeated == times(await replies(other, PRODUCE, 1, **settings))
    assert repeated.count(True) > 20


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_only_the_first_of_many_goes_the_whole_way(
    open_broker: OpenBroker, calls: list[Call], durability: Durability
) -> None:
    broker = await open_broker(durability=durability)
    await create(broker, "orders", 2)
    async with await Client.connect(broker.address) as client:
        sent = [client.send(produce_request(batch(b"%d" % n), index=n % 2), PRODUCE) for n in range(20)]
        offsets = [(await client.receive(one)).responses[0].partition_responses[0].base_offset for one in sent]
        assert offsets == [n // 2 for n in range(20)]
        assert len(calls) == 2
        found = await fetch(client, ("orders", 0, 0))
        assert values(found["orders", 0]) == [b"%d" % n for n in range(0, 20, 2)]


async def test_another_connection_need_not_go_the_whole_way_twice(
    live: Broker, client: Client, calls: list[Call]
) -> None:
    async with await Client.connect(live.address) as other:
        for n in range(3):
            assert (await produce(client, batch(b"a"))).base_offset == 2 * n
            assert (await produce(other, batch(b"b"))).base_offset == 2 * n + 1
    assert len(calls) == 2


async def test_a_topic_that_was_deleted_is_not_written_to(live: Broker, client: Client) -> None:
    for _ in range(2):
        await produce(client, batch(b"old"))
    await live.catalog.delete([live.catalog.topic("orders")])
    assert (await produce(client, batch(b"lost"))).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await create(live, "orders")
    assert [(await produce(client, batch(b"new"))).base_offset for _ in range(2)] == [0, 1]
    assert values((await fetch(client, ("orders", 0, 0)))["orders", 0]) == [b"new", b"new"]


async def test_records_without_a_key_are_refused_once_a_topic_is_compacted(live: Broker, client: Client) -> None:
    for _ in range(2):
        assert (await produce(client, batch(b"a"))).error_code == ErrorCode.NONE
    await live.catalog.alter_topic("orders", lambda configs: {**configs, "cleanup.policy": "compact"})
    assert (await produce(client, batch(b"a"))).error_code == ErrorCode.INVALID_RECORD


async def test_access_rules_hold_from_when_they_are_made(live: Broker, client: Client) -> None:
    for _ in range(2):
        assert (await produce(client, batch(b"a"))).error_code == ErrorCode.NONE
    hold_to(live, creation(WRITE_TOPIC, "orders", Permission.DENY))
    assert (await produce(client, batch(b"a"))).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    hold_to(live)
    assert (await produce(client, batch(b"a"))).error_code == ErrorCode.NONE


async def test_quotas_hold_from_when_they_are_made(live: Broker, client: Client) -> None:
    for _ in range(2):
        assert (await client.ask(produce_request(batch(b"a")), PRODUCE)).throttle_time_ms == 0
    await alter(client, of_client(None, producer_byte_rate=1))
    assert (await client.ask(produce_request(batch(b"a")), PRODUCE)).throttle_time_ms > 0


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_disk_that_fails_is_told_and_nothing_is_appended(
    open_broker: OpenBroker, monkeypatch: pytest.MonkeyPatch, calls: list[Call], durability: Durability
) -> None:
    def fail(*_: object) -> None:
        raise DiskError("the disk is full")

    broker = await open_broker(durability=durability)
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"a"))
        with monkeypatch.context() as patch:
            patch.setattr(DiskFile, "append", fail)
            reply = await produce(client, batch(b"b"))
        assert (reply.error_code, reply.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
        assert reply.error_message == "the disk is full"
        assert (await produce(client, batch(b"c"))).base_offset == 1
    assert len(calls) == 1


async def test_a_sync_that_fails_is_never_an_acknowledgement(
    live: Broker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Partition) -> None:
        raise DiskError("the disk is gone")

    await produce(client, batch(b"a"))
    with monkeypatch.context() as patch:
        patch.setattr(Partition, "sync", fail)
        reply = await produce(client, batch(b"b"))
    assert (reply.error_code, reply.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert reply.error_message == "the disk is gone"


async def test_they_are_counted_for_whoever_asks_for_metrics(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        sent = [client.frame(produce_request(batch(b"a")), PRODUCE) for _ in range(3)]
        for frame in sent:
            client.writer.write(frame)
        received = [await client.receive_frame() for _ in sent]
    assert broker.traffic is not None
    counted = broker.traffic.apis[ProduceRequest.api_key]
    assert counted.requests == 3
    assert counted.request_bytes == sum(len(frame) - 4 for frame in sent)
    assert counted.reply_bytes == sum(4 + len(frame) for frame in received)
    assert counted.errors == {}


async def test_what_is_remembered_is_bounded(live: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "PATTERNS_MAX", 3)
    await create(live, "wide", 10)
    async with await Client.connect(live.address) as client:
        for n in range(30):
            assert (await produce(client, batch(b"a"), topic="wide", index=n % 10)).base_offset == n // 10
            assert len(live.patterns) <= 3
