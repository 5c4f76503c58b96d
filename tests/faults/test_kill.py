"""The broker is killed under load, again and again; what it acknowledged is there, once and in order."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.faults.checker import Stored, check
from tests.faults.load import CALM, Load, create_topic, read_all
from tests.peers.apache_kafka import ApacheKafka

from tidings.testing.broker import BrokerProcess

pytestmark = pytest.mark.timeout(300)  # twenty restarts, and a machine may be busy

TOPIC = "orders"
PARTITIONS = 4
GROUP = "billing"
SEGMENT_BYTES = 1 << 20
"""The least that Kafka allows: so that segments roll during the test."""


@pytest.fixture
def seed() -> int:
    """Another one each time; `TIDINGS_SEED` repeats one that failed. pytest shows what is printed when a test fails."""
    chosen = int(os.environ.get("TIDINGS_SEED", random.randrange(1 << 32)))
    print(f"TIDINGS_SEED={chosen}")
    return chosen


@dataclass
class Kills:
    """Moments to kill at, drawn from a seed. The pause is the fault itself: nothing is waited for."""

    chance: random.Random

    def under_load(self, broker: Server, load: Load) -> None:
        """At a random moment once records are acknowledged."""
        load.wait_for_more(self.chance.randint(1, 200))
        self._pause(0.25)
        broker.kill()

    def while_starting(self, broker: Server) -> None:
        """In the first moments of a start: while it reads what the last crash left."""
        broker.launch()
        self._pause(0.5)
        broker.kill()

    def _pause(self, most_s: float) -> None:
        threading.Event().wait(self.chance.uniform(0, most_s))


def assert_nothing_wrong(broker: Server, load: Load, acknowledged: list[Stored]) -> None:
    read = read_all(broker.bootstrap, TOPIC)
    verdict = check(sent=load.sent, acknowledged=acknowledged, read=read)
    assert verdict.good, str(verdict)


def commit(broker: BrokerProcess, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, **CALM, "group.id": GROUP, "enable.auto.commit": False})
    try:
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


def committed(broker: BrokerProcess) -> int:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, **CALM, "group.id": GROUP})
    try:
        offset: int = consumer.committed([TopicPartition(TOPIC, 0)], timeout=30)[0].offset
        return offset
    finally:
        consumer.close()


Server = BrokerProcess | ApacheKafka


def server_of(kind: str, data: Path) -> Server:
    if kind == "apache-kafka":
        return ApacheKafka(data)
    return BrokerProcess(data, arguments=["--durability", kind])


@pytest.mark.parametrize(
    ("kind", "kills"),
    [("fsync", 20), ("os", 6), pytest.param("apache-kafka", 2, marks=pytest.mark.external)],
)
def test_acknowledged_records_survive_kills_once_and_in_order(tmp_path: Path, kind: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    moments = Kills(chance)
    with server_of(kind, tmp_path / "data") as broker:
        create_topic(broker.bootstrap, TOPIC, PARTITIONS, **{"segment.bytes": str(SEGMENT_BYTES)})
        with Load(broker.bootstrap, TOPIC) as load:
            for kill in range(1, kills + 1):
                moments.under_load(broker, load)
                acknowledged = list(load.acknowledged)
                if chance.random() < 0.25:
                    moments.while_starting(broker)
                broker.start()
                if kill % 5 == 0:
                    assert_nothing_wrong(broker, load, acknowledged)
            load.wait_for_more(1)
            load.finish()
            assert len(load.acknowledged) == len(load.sent)
            print(f"{len(load.sent)} records over {kills} kills")
            assert_nothing_wrong(broker, load, load.acknowledged)
        broker.restart()
        assert_nothing_wrong(broker, load, load.acknowledged)


def test_topics_and_committed_offsets_survive_kills(broker: BrokerProcess, seed: int) -> None:
    chance = random.Random(seed)
    create_topic(broker.bootstrap, TOPIC, PARTITIONS)
    for round_ in range(1, 6):
        create_topic(broker.bootstrap, f"made-in-round-{round_}", chance.randint(1, 3))
        commit(broker, round_)
        broker.kill()
        broker.start()
        assert committed(broker) == round_
        topics = AdminClient({"bootstrap.servers": broker.bootstrap, **CALM}).list_topics(timeout=30).topics
        assert set(topics) >= {f"made-in-round-{n}" for n in range(1, round_ + 1)}
