"""Apache Kafka's own share consumers: the client in Java, and kafka-console-share-consumer; on a Kafka and on ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from tests.peers.apache_kafka import ApacheKafka, java_command, run_java

from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(300)]

RECORDS = 60
PARTITIONS = 2
TIMEOUT_S = 60
WORKERS = Path(__file__).with_name("ShareWorkers.java")
CONSOLE = "org.apache.kafka.tools.consumer.ConsoleShareConsumer"


@pytest.fixture(scope="module", params=["tidings", "apache-kafka"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp(request.param)
    with BrokerProcess(folder) if request.param == "tidings" else ApacheKafka(folder) as process:
        yield process


def fill(bootstrap: str, topic: str, group: str) -> None:
    """A topic with records that are numbers, and a group that begins with the first."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result(TIMEOUT_S)
    earliest = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[earliest])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(TIMEOUT_S)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "batch.num.messages": 5})
    for number in range(RECORDS):
        producer.produce(topic, str(number).encode(), partition=number % PARTITIONS)
    assert producer.flush(TIMEOUT_S) == 0


@pytest.mark.parametrize("mode", ["batch_optimized", "record_limit"])
def test_workers_in_java_accept_release_reject_and_renew(server: Any, mode: str) -> None:
    topic = group = f"java-{mode}"
    fill(server.bootstrap, topic, group)
    command = java_command("")
    command[-1:] = ["--source", "17", str(WORKERS), server.bootstrap, topic, group, str(RECORDS), mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S * 3, check=False)
    assert done.stdout.endswith("end\n"), done.stdout + done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    told = {kind: {int(number) for what, number, _ in came(said) if what == kind} for kind, _, _ in came(said)}
    numbers = [{number for number in range(RECORDS) if number % 3 == rest} for rest in range(3)]
    assert told.pop("LEAVE")
    assert told == {"ACCEPT": numbers[0] | numbers[1], "RELEASE": numbers[1], "RENEW": numbers[2], "REJECT": numbers[2]}
    left = {number for what, number, _ in came(said) if what == "LEAVE"}
    for what, number, count in came(said):
        deliveries = 1 + (number in left) + (what == "ACCEPT" and int(number) % 3 == 1)
        assert int(count) == (1 if what == "LEAVE" else deliveries), (what, number, count)
    assert ["lock", "30000"] in said
    assert ["rest", "0"] in said


def came(said: list[list[str]]) -> list[list[str]]:
    """What was done, the number, and the delivery count."""
    return [words for words in said if len(words) == 3]


def test_the_console_share_consumer_prints_each_record_once(server: Any) -> None:
    topic = group = "console"
    fill(server.bootstrap, topic, group)
    asked = ("--bootstrap-server", server.bootstrap, "--topic", topic, "--group", group)
    printed = run_java(CONSOLE, *asked, "--max-messages", str(RECORDS), timeout_s=TIMEOUT_S)
    assert sorted(printed.split(), key=int) == [str(number) for number in range(RECORDS)]
    assert run_java(CONSOLE, *asked, "--timeout-ms", "2000", timeout_s=TIMEOUT_S).split() == []
