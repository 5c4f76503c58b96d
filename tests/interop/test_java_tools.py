"""Apache Kafka's own command-line tools, on our broker and on our files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.faults.load import create_topic
from tests.interop.java_tools import JavaTools
from tests.peers.apache_kafka import run_java

from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(300)]

TOOLS = "org.apache.kafka.tools"


def topics(broker: BrokerProcess, *arguments: str) -> str:
    return run_java(f"{TOOLS}.TopicCommand", "--bootstrap-server", broker.bootstrap, *arguments)


def dump_log(broker: BrokerProcess, partition: str, *arguments: str) -> str:
    """What kafka-dump-log makes of the first segment of a partition and of its indexes."""
    segment = min((broker.data / partition).glob("*.log"))
    files = [file for suffix in (".log", ".index", ".timeindex") if (file := segment.with_suffix(suffix)).exists()]
    return run_java(f"{TOOLS}.DumpLogSegments", *arguments, "--files", ",".join(map(str, files)))


def test_kafka_topics_creates_describes_lists_alters_and_deletes(broker: BrokerProcess) -> None:
    topics(broker, "--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=86400000")
    described = topics(broker, "--describe", "--topic", "orders")
    assert "PartitionCount: 3" in described
    assert "ReplicationFactor: 1" in described
    assert "retention.ms=86400000" in described
    assert described.count("Leader: 1") == 3
    topics(broker, "--alter", "--topic", "orders", "--partitions", "5")
    assert "PartitionCount: 5" in topics(broker, "--describe", "--topic", "orders")
    assert "orders" in topics(broker, "--list").split()
    topics(broker, "--delete", "--topic", "orders")
    assert "orders" not in topics(broker, "--list").split()


def test_kafka_configs_describes_and_alters(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "orders", 1)
    command = ["kafka.admin.ConfigCommand", "--bootstrap-server", broker.bootstrap, "--entity-type", "topics"]
    run_java(*command, "--entity-name", "orders", "--alter", "--add-config", "segment.bytes=1048576")
    described = run_java(*command, "--entity-name", "orders", "--describe", "--all")
    assert "segment.bytes=1048576" in described
    assert "DYNAMIC_TOPIC_CONFIG" in described
    assert "cleanup.policy=delete" in described
    assert "min.insync.replicas=1" in run_java(
        "kafka.admin.ConfigCommand",
        *(
            "--bootstrap-server",
            broker.bootstrap,
            "--entity-type",
            "brokers",
            "--entity-name",
            "1",
            "--describe",
            "--all",
        ),
    )


def test_console_producer_and_consumer_pass_records_and_the_group_is_told_of(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "orders", 2)
    sent = [f"key-{number}:value-{number}" for number in range(20)]
    run_java(
        f"{TOOLS}.ConsoleProducer",
        *("--bootstrap-server", broker.bootstrap, "--topic", "orders", "--compression-codec", "zstd"),
        *("--reader-property", "parse.key=true", "--reader-property", "key.separator=:"),
        stdin="\n".join(sent) + "\n",
    )
    received = run_java(
        f"{TOOLS}.consumer.ConsoleConsumer",
        *("--bootstrap-server", broker.bootstrap, "--topic", "orders", "--group", "readers", "--from-beginning"),
        *("--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"),
        *("--max-messages", "20", "--timeout-ms", "30000"),
    )
    assert sorted(received.split()) == sorted(sent)

    offsets = run_java(f"{TOOLS}.GetOffsetShell", "--bootstrap-server", broker.bootstrap, "--topic", "orders")
    assert sum(int(line.split(":")[2]) for line in offsets.split()) == 20

    groups = [f"{TOOLS}.consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker.bootstrap]
    assert "readers" in run_java(*groups, "--list").split()
    lags = [
        line.split() for line in run_java(*groups, "--describe", "--group", "readers").splitlines() if "orders" in line
    ]
    assert len(lags) == 2
    assert all(line[3] == line[4] and line[5] == "0" for line in lags), lags

    broker.stop()
    assert "readers" in dump_log(broker, "__consumer_offsets-0", "--offsets-decoder")
    assert '"name":"orders"' in dump_log(broker, "__cluster_metadata-0", "--cluster-metadata-decoder")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("java-tools") / "data") as process:
        create_topic(process.bootstrap, "orders", 1)
        yield process


@pytest.fixture(scope="module")
def tools() -> Iterator[JavaTools]:
    with JavaTools() as made:
        yield made


def test_kafka_verifiable_producer_and_consumer_have_each_record_acknowledged_and_read(busy: BrokerProcess) -> None:
    server = ("--bootstrap-server", busy.bootstrap, "--topic", "verified", "--max-messages", "200")
    sent = run_java(f"{TOOLS}.VerifiableProducer", *server, "--acks", "-1")  # it waits for the last when its JVM ends
    assert sent.count('"name":"producer_send_success"') == 200
    for protocol in ("classic", "consumer"):
        group = ("--group-id", f"verifiers-{protocol}", "--group-protocol", protocol, "--reset-policy", "earliest")
        read = run_java(f"{TOOLS}.VerifiableConsumer", *server, *group, "--verbose")
        assert read.count('"name":"record_data"') == 200
        assert '"name":"offsets_committed"' in read
        assert '"success":false' not in read


def test_kafka_performance_tools_run_to_their_end(busy: BrokerProcess, tools: JavaTools) -> None:
    server = ("--bootstrap-server", busy.bootstrap)
    sent = tools.run(
        "kafka-producer-perf-test",
        *(*server, "--topic", "orders", "--num-records", "20000", "--record-size", "100", "--throughput", "-1"),
    )
    assert "20000 records sent" in sent.text
    read = tools.run("kafka-consumer-perf-test", *server, "--topic", "orders", "--num-records", "20000")
    assert read.code == 0, read.text
    assert re.search(r", 20000, ", read.text), read.text
    latency = tools.run(
        "kafka-e2e-latency",
        *(*server, "--topic", "measured", "--num-records", "50", "--producer-acks", "all", "--record-size", "100"),
    )
    assert latency.code == 0, latency.text
    assert "Percentiles" in latency.text
