"""What goes on beside the serving: compaction and retention, in threads, while clients are served."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Consumer
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import fetch, produce

from tidings.broker.pace import SHARE_MAX, SLICE_S, Pace
from tidings.broker.server import Broker
from tidings.wire.records import Record, batches, encode_batch, records

VALUE = b"x" * 10_000


async def _fill(client: Client, count: int, keys: int = 10) -> dict[bytes, bytes]:
    """Some MiB of records to `customers`, ten a batch; the latest value of each key."""
    latest: dict[bytes, bytes] = {}
    for first in range(0, count, 10):
        pairs = [(b"key-%d" % (number % keys), b"%d:" % number + VALUE) for number in range(first, first + 10)]
        latest.update(pairs)
        data = encode_batch([Record(0, -1, key, value, ()) for key, value in pairs])
        assert (await produce(client, bytes(data), topic="customers")).error_code == 0
    return latest


def _consumed(address: tuple[str, int], **settings: Any) -> dict[bytes | None, bytes | None]:
    """What a consumer knows that has read all there is."""
    state: dict[bytes | None, bytes | None] = {}
    host, port = address
    consumer = Consumer(
        {
            "bootstrap.servers": f"{host}:{port}",
            "group.id": "g",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            **settings,
        }
    )
    consumer.subscribe(["customers"])
    with closing(consumer):
        while True:
            message = consumer.poll(10)
            assert message is not None
            if message.error():
                return state
            state[message.key()] = message.value()


async def test_a_consumer_gets_the_latest_value_of_each_key(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "customers", cleanup_policy="compact", segment_bytes="1048576")
    async with await Client.connect(broker.address) as client:
        latest = await _fill(client, 400)
        partition = broker.catalog.partition("customers", 0)
        before = partition.size_bytes
        await broker.housekeeping.compact()
        assert partition.size_bytes < before / 2
        state = await asyncio.to_thread(_consumed, broker.address)
        assert state == latest
        found = (await fetch(client, ("customers", 0, 0), partition_max_bytes=100 << 20))["customers", 0]
        offsets = [r.offset for at, _ in batches(found.records or b"") for r in records(found.records or b"", at)]
        assert len(offsets) >= 10
        assert offsets == sorted(set(offsets))


async def test_clients_are_served_while_a_log_is_compacted(open_broker: OpenBroker) -> None:
    broker = await open_broker(durability="os")
    await create(broker, "customers", cleanup_policy="compact", segment_bytes="1048576")
    async with await Client.connect(broker.address) as client:
        await _fill(client, 1000)
        await _sync(broker)
        under_way = asyncio.create_task(broker.housekeeping.compact())
        served = 0
        while not under_way.done():
            await _fill(client, 10)
            served += 1
        await under_way
        assert served > 1


async def _sync(broker: Broker) -> None:
    await broker.housekeeping.retain()


async def test_what_is_compacted_stays_so_over_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "customers", cleanup_policy="compact", segment_bytes="1048576")
    async with await Client.connect(broker.address) as client:
        latest = await _fill(client, 400)
    await broker.housekeeping.compact()
    size = broker.catalog.partition("customers", 0).size_bytes
    await broker.close()
    broker = await open_broker()
    assert broker.catalog.partition("customers", 0).size_bytes == size
    assert await asyncio.to_thread(_consumed, broker.address) == latest


async def test_a_stop_does_not_wait_for_the_end_of_a_compaction(open_broker: OpenBroker) -> None:
    broker = await open_broker(compaction_check_interval_ms=1)
    await create(broker, "customers", cleanup_policy="compact", segment_bytes="1048576", min_cleanable_dirty_ratio="0")
    async with await Client.connect(broker.address) as client:
        await _fill(client, 400)
    async with asyncio.timeout(5):
        await broker.close()


def test_a_pace_takes_its_share_and_no_more() -> None:
    now = 0.0
    slept: list[float] = []
    pace = Pace(clock=lambda: now, sleep=slept.append)
    pace(1000)
    assert slept == []
    now += 2 * SLICE_S
    pace(1000)
    assert sum(slept) == pytest.approx(2 * SLICE_S * (1 / SHARE_MAX - 1))


def test_a_pace_heeds_a_bound_on_bytes() -> None:
    now = 0.0
    slept: list[float] = []
    pace = Pace(1000, clock=lambda: now, sleep=slept.append)
    now += 1
    pace(10_000)
    assert slept == [9]


async def test_how_often_and_how_fast_to_compact_are_settings(open_broker: OpenBroker) -> None:
    broker = await open_broker(compaction_check_interval_ms=77_000)
    settings = broker.catalog.settings
    assert settings.of_broker("log.cleaner.backoff.ms")[0].value == "77000"
    await create(broker, "customers", cleanup_policy="compact", segment_bytes="1048576")
    async with await Client.connect(broker.address) as client:
        await _fill(client, 400)
    await broker.catalog.alter_broker("", lambda _: {"log.cleaner.io.max.bytes.per.second": "1E7"})
    began = broker.clock.monotonic_ms()
    await broker.housekeeping.compact()
    assert broker.clock.monotonic_ms() - began >= 400  # gone through twice
