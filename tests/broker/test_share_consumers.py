"""A real client's share consumers over a broker process: a queue that several read, and that outlives kills."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from confluent_kafka import AcknowledgeType, Message, Producer, ShareConsumer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from tidings.testing.broker import BrokerProcess

pytestmark = pytest.mark.timeout(120)

TIMEOUT_S = 40.0
GROUP = "workers"
TOPIC = "jobs"
PARTITIONS = 2


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """One that soon notices that a member is gone."""
    settings = ("group.share.session.timeout.ms=3000", "group.share.heartbeat.interval.ms=500")
    with BrokerProcess(tmp_path / "data", arguments=[f"--set={setting}" for setting in settings]) as process:
        yield process


def begin(broker: BrokerProcess, count: int, **configs: str) -> list[bytes]:
    """The topic with so many records, and what holds for the group."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result(TIMEOUT_S)
    configs = {"share_auto_offset_reset": "earliest", **configs}
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configs.items()
    ]
    resource = ConfigResource(ResourceType.GROUP, GROUP, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(TIMEOUT_S)
    values = [str(number).encode() for number in range(count)]
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for number, value in enumerate(values):
        producer.produce(TOPIC, value, partition=number % PARTITIONS)
    assert producer.flush(TIMEOUT_S) == 0
    return values


@contextmanager
def worker(broker: BrokerProcess, *, explicit: bool = True) -> Iterator[ShareConsumer]:
    settings = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": GROUP,
        "log_level": 0,
        "reconnect.backoff.max.ms": 200,
        "share.acknowledgement.mode": "explicit" if explicit else "implicit",
    }
    made = ShareConsumer(settings)
    made.subscribe([TOPIC])
    try:
        yield made
    finally:
        made.close()


def polled(consumer: ShareConsumer, timeout_s: float = 0.5) -> list[Message]:
    found = list(consumer.poll(timeout_s))
    for message in found:
        assert message.error() is None, message.error()
    return found


def value_of(message: Message) -> bytes:
    value = message.value()
    assert isinstance(value, bytes)
    return value


def test_workers_share_a_stream_and_each_record_is_for_one_of_them(broker: BrokerProcess) -> None:
    values = begin(broker, 2000)
    got: dict[str, list[bytes]] = {"a": [], "b": []}
    deadline = monotonic() + TIMEOUT_S
    with worker(broker, explicit=False) as a, worker(broker, explicit=False) as b:
        while len(got["a"]) + len(got["b"]) < len(values) and monotonic() < deadline:
            for name, consumer in (("a", a), ("b", b)):
                got[name] += map(value_of, polled(consumer, 0.1))
    assert sorted(got["a"] + got["b"]) == sorted(values)


def test_a_released_record_comes_again_and_a_rejected_one_does_not(broker: BrokerProcess) -> None:
    begin(broker, 4)
    seen: list[bytes] = []
    deadline = monotonic() + TIMEOUT_S
    with worker(broker) as consumer:
        while len(seen) < 6 and monotonic() < deadline:
            for message in polled(consumer):
                value = value_of(message)
                is_new = value not in seen
                kind = AcknowledgeType.ACCEPT
                if value in (b"1", b"2") and is_new:
                    kind = AcknowledgeType.RELEASE
                elif value == b"3":
                    kind = AcknowledgeType.REJECT
                consumer.acknowledge(message, kind)
                seen.append(value)
            consumer.commit_sync(TIMEOUT_S)
        assert sorted(seen) == [b"0", b"1", b"1", b"2", b"2", b"3"]
        assert polled(consumer, 1.0) == []


def test_over_kills_nothing_acknowledged_comes_again_and_nothing_else_is_lost(broker: BrokerProcess) -> None:
    values = begin(broker, 600, share_delivery_count_limit="10")
    chance = random.Random(7)
    done: set[bytes] = set()
    released: set[bytes] = set()
    for _ in range(4):
        with worker(broker) as consumer:
            work(consumer, chance, done, released, until=len(done) + 100)
            broker.kill()
            broker.start()
    with worker(broker) as consumer:
        work(consumer, chance, done, released, until=len(values))
        assert polled(consumer, 1.0) == []
    assert done == set(values)


def work(consumer: ShareConsumer, chance: random.Random, done: set[bytes], released: set[bytes], *, until: int) -> None:
    """Accept most of what comes; let each record go once at most. It returns with records in the worker's hands."""
    deadline = monotonic() + TIMEOUT_S
    while monotonic() < deadline:
        messages = polled(consumer)
        accepted: set[bytes] = set()
        for message in messages:
            value = value_of(message)
            assert value not in done
            if len(done) + len(accepted) >= until and len(messages) > 1:
                return
            if value not in released and chance.random() < 0.1:
                released.add(value)
                consumer.acknowledge(message, AcknowledgeType.RELEASE)
            else:
                accepted.add(value)
                consumer.acknowledge(message)
        failed = {error for error in consumer.commit_sync(TIMEOUT_S).values() if error is not None}
        assert not failed, failed
        done |= accepted
        if len(done) >= until:
            return
    raise AssertionError(f"{len(done)} of {until} records in time")
