"""Streams whose records go once they are delivered (`tidings.retention=delivered`)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import batch, produce
from tests.broker.sharing import ACCEPT, Member, begin_group

from tidings.broker.server import Broker
from tidings.errors import ClientError
from tidings.log.partition import Partition

KIB = b"x" * 1024


async def _stream(broker: Broker, **configs: Any) -> Partition:
    await create(broker, "jobs", tidings_retention="delivered", **configs)
    return broker.catalog.partition("jobs", 0)


async def _commit(broker: Broker, group: str, offset: int) -> None:
    def commit() -> None:
        host, port = broker.address
        consumer = Consumer({"bootstrap.servers": f"{host}:{port}", "group.id": group})
        consumer.commit(offsets=[TopicPartition("jobs", 0, offset)], asynchronous=False)
        consumer.close()

    await asyncio.to_thread(commit)


async def _fill(broker: Broker, count: int) -> None:
    async with await Client.connect(broker.address) as client:
        for _ in range(count):
            assert (await produce(client, batch(*[KIB] * 100), topic="jobs")).error_code == 0


async def test_records_go_when_every_group_has_committed_past_them(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    log = await _stream(broker, segment_bytes="1048576")
    await _fill(broker, 40)
    await broker.housekeeping.purge()
    assert log.log_start_offset == 0
    await _commit(broker, "one", 3000)
    await _commit(broker, "other", 1000)
    await broker.housekeeping.purge()
    assert log.log_start_offset == 1000
    assert log.size_bytes < 3.2 * (1 << 20)
    await _commit(broker, "other", 4000)
    await broker.housekeeping.purge()
    assert log.log_start_offset == 3000


async def test_all_space_is_given_back_when_all_is_delivered(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    log = await _stream(broker)
    await _fill(broker, 15)
    await _commit(broker, "one", 1500)
    await broker.housekeeping.purge()
    assert (log.log_start_offset, log.end_offset, log.size_bytes) == (1500, 1500, 0)
    await _fill(broker, 1)
    assert log.end_offset == 1600


async def test_neither_age_nor_size_takes_what_is_not_delivered(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    log = await _stream(broker, retention_ms="1", retention_bytes="1", segment_bytes="1048576")
    await _fill(broker, 30)
    await broker.housekeeping.retain()
    assert log.log_start_offset == 0


async def test_what_was_purged_is_not_served_after_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await _stream(broker)
    await _fill(broker, 2)
    await _commit(broker, "one", 50)
    await broker.housekeeping.purge()
    await broker.close()
    broker = await open_broker()
    assert broker.catalog.partition("jobs", 0).log_start_offset == 50


async def test_it_can_be_switched_on_and_off(live: Broker, client: Client) -> None:
    partition = live.catalog.partition("orders", 0)
    assert partition.config.retention_ms > 0
    await live.catalog.alter_topic("orders", lambda _: {"tidings.retention": "delivered"})
    assert partition.config.retention_ms == -1
    await live.catalog.alter_topic("orders", lambda _: {})
    assert partition.config.retention_ms > 0


@pytest.mark.parametrize("configs", [{"tidings_retention": "never"}, {"cleanup_policy": "compact,delete"}])
async def test_what_makes_no_sense_is_refused(live: Broker, configs: dict[str, Any]) -> None:
    with pytest.raises((ClientError, AssertionError)):
        await create(live, "jobs", **{"tidings_retention": "delivered", **configs})


async def test_what_a_share_group_is_not_done_with_stays(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    log = await _stream(broker)
    topic = broker.catalog.topics["jobs"]
    async with await Client.connect(broker.address) as client:
        await begin_group(broker, client, topic)
        for _ in range(2):
            await produce(client, batch(b"a", b"b", b"c"), topic="jobs")
        await _commit(broker, "one", 6)
        await broker.housekeeping.purge()
        assert log.log_start_offset == 0
        member = Member(client, topic)
        await member.fetch()
        await member.acknowledge((0, 3, ACCEPT), (5, 5, ACCEPT))
        await broker.housekeeping.purge()
        assert log.log_start_offset == 4
        await member.acknowledge((4, 4, ACCEPT))
        await broker.housekeeping.purge()
        assert log.log_start_offset == 6
