"""The consumer group protocol (KIP-848) between processes: real consumers, a broker that dies, Kafka's own tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from time import monotonic

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.peers.apache_kafka import run_java

from tidings.testing.broker import BrokerProcess

TIMEOUT_S = 40
PARTITIONS = 3
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUPS_TOOL = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
KINDS_OF_A_GROUP = {"3", "5", "6", "7", "8"}


@pytest.fixture
def orders(broker: BrokerProcess) -> BrokerProcess:
    """With a topic `orders`."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    (created,) = admin.create_topics([NewTopic("orders", PARTITIONS, 1)]).values()
    created.result(TIMEOUT_S)
    return broker


def produce(broker: BrokerProcess, count: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for number in range(count):
        producer.produce("orders", f"order-{number}", partition=number % PARTITIONS)
    assert producer.flush(TIMEOUT_S) == 0


def a_consumer(broker: BrokerProcess) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "readers",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe(["orders"])
    return consumer


def read(consumer: Consumer, count: int) -> Iterator[tuple[int, int]]:
    """The next `count` records, each committed before the one after it is asked for."""
    deadline = monotonic() + TIMEOUT_S
    while count:
        assert monotonic() < deadline, f"{count} records are missing"
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            consumer.commit(message, asynchronous=False)
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            yield partition, offset
            count -= 1


def test_a_member_survives_the_death_of_the_broker_and_misses_nothing(orders: BrokerProcess) -> None:
    consumer = a_consumer(orders)
    produce(orders, 12)
    first = list(read(consumer, 12))
    orders.kill()
    orders.start()
    produce(orders, 12)
    second = list(read(consumer, 12))
    consumer.close()
    assert sorted(first + second) == [(partition, offset) for partition in range(PARTITIONS) for offset in range(8)]


def test_one_who_comes_after_the_death_of_the_broker_goes_on_from_what_was_committed(orders: BrokerProcess) -> None:
    consumer = a_consumer(orders)
    produce(orders, 12)
    assert len(list(read(consumer, 12))) == 12
    consumer.close()
    orders.kill()
    orders.start()
    produce(orders, 3)
    late = a_consumer(orders)
    assert sorted(read(late, 3)) == [(partition, 4) for partition in range(PARTITIONS)]
    late.close()


@pytest.mark.external
def test_kafkas_console_consumer_reads_in_a_group_that_its_tools_show(orders: BrokerProcess) -> None:
    produce(orders, 30)
    consumed = run_java(
        CONSOLE_CONSUMER, "--bootstrap-server", orders.bootstrap, "--include", "ord.*", "--group", "java",
        "--from-beginning", "--max-messages", "30", "--timeout-ms", "30000",
        "--command-property", "group.protocol=consumer",
    )  # fmt: skip
    assert sorted(consumed.split()) == sorted(f"order-{number}" for number in range(30))
    described = run_java(GROUPS_TOOL, "--bootstrap-server", orders.bootstrap, "--describe", "--group", "java")
    rows = [line.split()[:6] for line in described.splitlines() if line.startswith("java")]
    assert sorted(rows) == [["java", "orders", str(partition), "10", "10", "0"] for partition in range(PARTITIONS)]
    listed = run_java(GROUPS_TOOL, "--bootstrap-server", orders.bootstrap, "--list", "--type", "--state")
    assert ["java", "Consumer", "Empty"] in [line.split() for line in listed.splitlines()]


@pytest.mark.external
def test_kafkas_dump_tool_reads_the_records_of_the_group(orders: BrokerProcess) -> None:
    produce(orders, 3)
    consumer = a_consumer(orders)
    assert len(list(read(consumer, 3))) == 3
    orders.stop()
    (segment,) = (orders.data / "__consumer_offsets-0").glob("*.log")
    dumped = run_java(DUMP, "--offsets-decoder", "--files", str(segment))
    orders.start()
    consumer.close()
    keys = [json.loads(key) for key in re.findall(r" key: (\{.*?\}\}) payload: ", dumped)]
    assert {key["type"] for key in keys} == KINDS_OF_A_GROUP | {"1"}
    assert {key["data"].get("groupId", "readers") for key in keys} == {"readers"}
    assert '"state":0,"assignedPartitions":[{"topicId"' in dumped
    assert '"assignmentEpochs":[1,1,1]' in dumped
