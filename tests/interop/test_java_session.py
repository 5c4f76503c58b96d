"""A session with Apache Kafka's own command-line tools, on our broker and on Apache Kafka: they say the same.

Both sessions share one JVM (`java_tools`). Ids, ports and times are made alike before they are compared; what differs
for a reason is left out, and named.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource
from tests.interop.alike import alike
from tests.interop.java_tools import JavaTools, Said
from tests.peers.apache_kafka import ApacheKafka

from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(600)]

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/conformance.md"

TOPICS = """
    --create --topic orders --partitions 3 --config retention.ms=86400000
    --create --topic orders
    --create --topic no/such
    --describe --topic orders
    --alter --topic orders --partitions 5
    --alter --topic orders --partitions 2
    --list --exclude-internal
    --describe --exclude-internal
    --describe --under-replicated-partitions
    --describe --topic nowhere
    --create --topic scratch
    --delete --topic scratch
    --delete --topic scratch
"""
CONFIGS = """
    --entity-type topics --entity-name orders --alter --add-config segment.bytes=2097152,max.message.bytes=2000000
    --entity-type topics --entity-name orders --describe
    --entity-type topics --entity-name orders --alter --delete-config segment.bytes
    --entity-type topics --entity-name orders --alter --add-config nonsense=1
    --entity-type topics --entity-name orders --describe --all
    --entity-type brokers --entity-name 1 --alter --add-config log.cleaner.threads=2
    --entity-type brokers --entity-name 1 --describe
    --entity-type brokers --entity-default --alter --add-config max.connections=500
    --entity-type brokers --entity-default --describe
    --entity-type clients --entity-name app --alter --add-config producer_byte_rate=100000,consumer_byte_rate=200000
    --entity-type clients --entity-default --alter --add-config request_percentage=50
    --entity-type clients --describe
    --entity-type users --entity-name a --entity-type clients --entity-name b --alter --add-config producer_byte_rate=1
    --entity-type users --entity-type clients --describe
    --entity-type users --describe
    --entity-type ips --entity-name 127.0.0.9 --alter --add-config connection_creation_rate=10
    --entity-type ips --describe
    --entity-type clients --entity-name app --alter --delete-config consumer_byte_rate
    --entity-type clients --entity-name app --alter --add-config producer_byte_rate=0
    --entity-type clients --entity-name app --describe
    --entity-type groups --entity-name g1 --alter --add-config consumer.session.timeout.ms=50000
    --entity-type groups --entity-name g1 --describe
"""
GROUPS_EMPTY = """
    --list
    --list --state
    --list --type
    --describe --group readers
    --describe --group readers --state
    --describe --group readers --members
    --describe --group readers --offsets --verbose
    --describe --all-groups
    --reset-offsets --group readers --topic orders --to-earliest --dry-run
    --describe --group readers
    --reset-offsets --group readers --topic orders --shift-by -2 --execute
    --reset-offsets --group readers --topic orders:0 --to-datetime 2020-01-01T00:00:00.000 --dry-run
    --reset-offsets --group readers --all-topics --to-latest --dry-run
    --reset-offsets --group readers --topic orders --to-offset 3 --dry-run
    --reset-offsets --group readers --topic orders:0,1 --to-current --dry-run --export
    --reset-offsets --group readers --topic orders --by-duration P10000D --dry-run
    --reset-offsets --group nobody --topic orders --to-earliest --dry-run
    --reset-offsets --group readers --topic nowhere --to-earliest --dry-run
    --describe --group readers
    --delete-offsets --group readers --topic orders:1
    --delete --group readers
    --describe --group readers
    --delete --group readers
"""
GROUPS_WITH_A_MEMBER = """
    --describe --group live
    --describe --group live --members --verbose
    --describe --group live --state
    --reset-offsets --group live --topic orders --to-earliest --execute
    --delete --group live
"""
TRANSACTIONS = """
    list
    list --duration-filter 3600000
    list --transactional-id-pattern mov.*
    describe --transactional-id mover
    describe --transactional-id nobody
    describe-producers --topic moved --partition 0
    find-hanging --broker-id 1
    abort --topic moved --partition 0 --start-offset 2
    describe-producers --topic moved --partition 0
    describe --transactional-id mover
    force-terminate --transactional-id mover
    force-terminate --transactional-id nobody
    describe --transactional-id mover
"""
OTHERS = """
    kafka-groups --list
    kafka-get-offsets --topic orders
    kafka-get-offsets --topic orders --time earliest
    kafka-get-offsets --topic orders --time max-timestamp
    kafka-get-offsets --topic-partitions orders:0 --time 0
    kafka-delete-records --offset-json-file {offsets}
    kafka-get-offsets --topic orders --time earliest
    kafka-log-dirs --describe --topic-list orders
    kafka-features upgrade --feature group.version=1
    kafka-features upgrade --feature nonsense.version=7
    kafka-features upgrade --feature group.version=9 --dry-run
    kafka-metadata-quorum describe --status
    kafka-metadata-quorum describe --replication
    kafka-leader-election --election-type preferred --topic orders --partition 0
    kafka-leader-election --election-type unclean --all-topic-partitions
    kafka-leader-election --election-type preferred --topic nowhere --partition 0
    kafka-client-metrics --list
    kafka-client-metrics --alter --name mine --metrics org.apache. --interval 60000 --match client_id=a.*
    kafka-client-metrics --describe --name mine
    kafka-client-metrics --describe
    kafka-client-metrics --list
    kafka-client-metrics --delete --name mine
    kafka-client-metrics --list
    kafka-client-metrics --alter --name bad --interval 5
"""
NOT_COMPARED = """
    kafka-features describe
    kafka-broker-api-versions
"""


def lines(text: str, tool: str = "") -> list[str]:
    return [f"{tool} {line.strip()}".strip() for line in text.strip().splitlines()]


TOPIC_STEPS, CONFIG_STEPS = lines(TOPICS, "kafka-topics"), lines(CONFIGS, "kafka-configs")
EMPTY_STEPS = lines(GROUPS_EMPTY, "kafka-consumer-groups")
MEMBER_STEPS = lines(GROUPS_WITH_A_MEMBER, "kafka-consumer-groups")
TRANSACTION_STEPS = lines(TRANSACTIONS, "kafka-transactions")
COMPARED = [*TOPIC_STEPS, *CONFIG_STEPS, *EMPTY_STEPS, *MEMBER_STEPS, *lines(OTHERS), *TRANSACTION_STEPS]


@dataclass
class Session:
    """All that was said on one broker, by step; a step that is taken twice has said two things."""

    bootstrap: str
    said: dict[str, list[Said]] = field(default_factory=dict)

    def take(self, tools: JavaTools, folder: Path) -> None:
        offsets = folder / "offsets.json"
        place = {"topic": "orders", "partition": 0, "offset": 3}
        offsets.write_text(json.dumps({"version": 1, "partitions": [place]}))

        def run(steps: list[str]) -> None:
            for step in steps:
                tool, *arguments = shlex.split(step.format(offsets=offsets))
                said = tools.run(tool, "--bootstrap-server", self.bootstrap, *arguments)
                self.said.setdefault(step, []).append(said)
                if "--entity-type brokers" in step and "--add-config" in step:
                    await_broker_setting(self.bootstrap, arguments[-1])

        run(TOPIC_STEPS)
        produce(self.bootstrap)
        run(CONFIG_STEPS)
        commit(self.bootstrap)
        run(EMPTY_STEPS)
        with_member(self.bootstrap, lambda: run(MEMBER_STEPS))
        run(lines(OTHERS))
        with_transaction(self.bootstrap, lambda: run(TRANSACTION_STEPS))
        run(lines(NOT_COMPARED))


def await_broker_setting(bootstrap: str, setting: str) -> None:
    """Apache Kafka answers when a broker's setting is on record; that it is in force is to be seen a moment later."""
    name, _, value = setting.partition("=")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    broker = ConfigResource(ConfigResource.Type.BROKER, "1")
    deadline = monotonic() + 30
    while admin.describe_configs([broker])[broker].result(10)[name].value != value:
        assert monotonic() < deadline, f"{setting} is not in force"


def produce(bootstrap: str) -> None:
    """Ten records into the first partition, five into the second."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for partition, count in ((0, 10), (1, 5)):
        for number in range(count):
            producer.produce("orders", b"x" * 10, partition=partition, timestamp=1_700_000_000_000 + number)
    assert producer.flush(30) == 0


def commit(bootstrap: str) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "readers"})
    places = [TopicPartition("orders", 0, 4), TopicPartition("orders", 1, 5)]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def with_member(bootstrap: str, act: Callable[[], None]) -> None:
    """`act` while a group has a member that has read everything."""
    settings = {"group.id": "live", "client.id": "me", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": bootstrap, "partition.assignment.strategy": "range", **settings})
    consumer.subscribe(["orders"])
    read, deadline = 0, monotonic() + 60
    while read < 15:
        assert monotonic() < deadline
        read += consumer.poll(0.2) is not None
    consumer.commit(asynchronous=False)
    over = threading.Event()

    def heartbeat() -> None:
        while not over.is_set():
            consumer.poll(0.1)

    polling = threading.Thread(target=heartbeat)
    polling.start()
    try:
        act()
    finally:
        over.set()
        polling.join()
        consumer.close()


def with_transaction(bootstrap: str, act: Callable[[], None]) -> None:
    """`act` while a producer that has committed one transaction is in the middle of another."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "mover", "log_level": 0})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce("moved", b"committed")
    producer.commit_transaction(60)
    producer.begin_transaction()
    producer.produce("moved", b"hangs")
    assert producer.flush(60) == 0
    act()


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Session]]:
    """On our broker, and on an Apache Kafka that nobody else used: what others left there would be listed too."""
    folder = tmp_path_factory.mktemp("java-session")
    # As Apache Kafka's: page-cache acknowledgements, and no wait for more members.
    arguments = ["--durability", "os", "--set", "group.initial.rebalance.delay.ms=0"]
    with (
        JavaTools() as tools,
        BrokerProcess(folder / "data", arguments=arguments) as broker,
        ApacheKafka(folder / "apache-kafka") as kafka,
    ):
        ours, theirs = Session(broker.bootstrap), Session(kafka.bootstrap)
        ours.take(tools, folder)
        theirs.take(tools, folder)
        yield ours, theirs


@pytest.mark.parametrize("step", list(dict.fromkeys(COMPARED)))
def test_a_tool_says_of_our_broker_what_it_says_of_apache_kafka(sessions: tuple[Session, Session], step: str) -> None:
    ours, theirs = sessions
    assert [alike(said) for said in ours.said[step]] == [alike(said) for said in theirs.said[step]]


def test_the_apis_we_have_are_in_apache_kafkas_versions(sessions: tuple[Session, Session]) -> None:
    ours, theirs = (ranges(session.said["kafka-broker-api-versions"][0]) for session in sessions)
    assert len(ours) > 40
    assert {api: span for api, span in ours.items() if theirs.get(api) != span} == {}


def test_the_apis_we_do_not_have_are_those_we_document(sessions: tuple[Session, Session]) -> None:
    ours, theirs = (ranges(session.said["kafka-broker-api-versions"][0]) for session in sessions)
    documented = re.findall(r"`(\w+\(\d+\))`", DOCUMENT.read_text())
    assert sorted(theirs.keys() - ours.keys()) == sorted(documented)


def ranges(said: Said) -> dict[str, str]:
    """The versions of each API that a broker has."""
    return dict(re.findall(r"(\w+\(\d+\)): ([\d to]+) \[", said.text))


def test_the_features_we_have_are_at_apache_kafkas_levels(sessions: tuple[Session, Session]) -> None:
    ours, theirs = (
        {
            " ".join(line.partition("Epoch")[0].split())
            for line in session.said["kafka-features describe"][0].text.splitlines()
        }
        for session in sessions
    )
    assert ours
    assert ours <= theirs
