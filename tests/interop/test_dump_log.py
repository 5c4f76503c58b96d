"""Apache Kafka's kafka-dump-log reads all that our broker has written: records, indexes, snapshots, its own topics."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from tests.interop.java_tools import JavaTools

from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(300)]

COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
SEGMENT_BYTES = 1 << 20
RECORDS = 500
"""In `orders`, of each compression."""
KEYS = 20
VERSIONS = 100
"""Of each key in `customers`; all but the last are compacted away, as far as segments are closed."""
TIMEOUT_S = 30.0


def a_value() -> bytes:
    """2 KiB, of which half gets smaller, so that compression is worth it, and half does not, so that segments fill."""
    return b"tidings " * 128 + os.urandom(1024)


def compact_often(broker: BrokerProcess) -> None:
    """From its next start on: one that runs has already begun to wait for as long as it was told before."""
    entry = ConfigEntry("log.cleaner.backoff.ms", "100", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)
    broker.restart()


def write(bootstrap: str) -> None:
    settings = {"segment.bytes": str(SEGMENT_BYTES), "index.interval.bytes": "4096"}
    compacted = {**settings, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topics = [NewTopic("orders", 1, config=settings), NewTopic("moved", 1), NewTopic("customers", 1, config=compacted)]
    for created in admin.create_topics(topics).values():
        created.result(TIMEOUT_S)
    for compression in COMPRESSIONS:
        producer = Producer(
            {"bootstrap.servers": bootstrap, "compression.type": compression, "enable.idempotence": True}
        )
        for number in range(RECORDS):
            producer.produce("orders", a_value(), str(number), headers={"number": str(number)})
        assert producer.flush(TIMEOUT_S) == 0
    in_transactions(bootstrap)


def in_transactions(bootstrap: str) -> None:
    """Records and positions, committed and aborted; and every version of every customer."""
    mover = Producer({"bootstrap.servers": bootstrap, "transactional.id": "mover"})
    mover.init_transactions(TIMEOUT_S)
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "movers"})
    for commit in (True, False, True, False):
        mover.begin_transaction()
        mover.produce("moved", b"moved")
        mover.send_offsets_to_transaction([TopicPartition("orders", 0, 7)], reader.consumer_group_metadata(), TIMEOUT_S)
        if commit:
            mover.commit_transaction(TIMEOUT_S)
        else:
            mover.flush(TIMEOUT_S)  # what is not sent yet would not be sent at all
            mover.abort_transaction(TIMEOUT_S)
    reader.close()
    for version in range(VERSIONS):
        mover.begin_transaction()
        for key in range(KEYS):
            gone = key == 0 and version == VERSIONS - 1
            mover.produce("customers", None if gone else a_value(), str(key))
        mover.commit_transaction(TIMEOUT_S)


class Dump:
    """What the tool says of a partition's files."""

    def __init__(self, tools: JavaTools, data: Path) -> None:
        self._tools = tools
        self._data = data

    def files(self, partition: str, *suffixes: str) -> list[Path]:
        return sorted(file for file in (self._data / partition).iterdir() if file.suffix in suffixes)

    def of(self, partition: str, *suffixes: str, options: tuple[str, ...] = ()) -> str:
        files = ",".join(map(str, self.files(partition, *suffixes)))
        said = self._tools.run("kafka-dump-log", *options, "--files", files)
        assert said.code == 0, said.text
        return said.text


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dump]:
    data = tmp_path_factory.mktemp("dump-log") / "data"
    with BrokerProcess(data, arguments=["--log-level", "info"]) as broker:
        compact_often(broker)
        write(broker.bootstrap)
        broker.child.wait_for_line(r"customers-0 up to offset (1[5-9]|2\d)\d\d:", TIMEOUT_S, stream="stderr")
    with JavaTools() as tools:
        yield Dump(tools, data)


def offsets(text: str) -> list[int]:
    """Of all records, control records included."""
    return [int(found) for found in re.findall(r"^\| offset: (\d+)", text, re.MULTILINE)]


@pytest.mark.parametrize("partition", ["orders-0", "moved-0", "customers-0"])
def test_every_batch_is_valid_and_its_indexes_agree_with_it(dump: Dump, partition: str) -> None:
    text = dump.of(partition, ".log", ".index", ".timeindex", options=("--deep-iteration",))
    assert "isvalid: true" in text
    assert "isvalid: false" not in text
    assert not re.search(r"[Mm]ismatch|Found|out of order|[Ii]nvalid", text)
    found = offsets(text)
    assert found == sorted(set(found))


@pytest.mark.parametrize("partition", ["orders-0", "customers-0"])
def test_indexes_pass_kafkas_sanity_check(dump: Dump, partition: str) -> None:
    indexes = dump.files(partition, ".index", ".timeindex")
    assert len(indexes) >= 4
    text = dump.of(partition, ".index", ".timeindex", options=("--index-sanity-check",))
    assert text.count("passed sanity check.") == len(indexes)


def test_every_compression_is_read_record_by_record(dump: Dump) -> None:
    text = dump.of("orders-0", ".log", options=("--deep-iteration", "--print-data-log"))
    assert len(dump.files("orders-0", ".log")) >= 4
    assert offsets(text) == list(range(len(COMPRESSIONS) * RECORDS))
    assert set(re.findall(r"compresscodec: (\w+)", text)) == set(COMPRESSIONS)
    assert [int(key) for key in re.findall(r" key: (\d+) payload", text)] == [*range(RECORDS)] * len(COMPRESSIONS)


def test_transactions_their_markers_and_the_index_of_aborted_ones_are_read(dump: Dump) -> None:
    text = dump.of("moved-0", ".log", options=("--deep-iteration",))
    assert re.findall(r"endTxnMarker: (\w+)", text) == ["COMMIT", "ABORT"] * 2
    aborted = dump.of("moved-0", ".txnindex")
    assert re.findall(r"firstOffset: (\d+) lastOffset: (\d+)", aborted) == [("2", "3"), ("6", "7")]


def test_a_snapshot_of_producers_is_read(dump: Dump) -> None:
    assert dump.files("orders-0", ".snapshot")
    text = dump.of("orders-0", ".snapshot")
    assert re.search(r"producerId: \d+ producerEpoch: 0 .*lastSequence: \d+", text)


def test_a_compacted_log_has_the_last_version_of_each_customer(dump: Dump) -> None:
    text = dump.of("customers-0", ".log", options=("--deep-iteration", "--print-data-log"))
    found = re.findall(r"^\| offset: (\d+).* key: (\d+)", text, re.MULTILINE)
    assert len(found) < KEYS * VERSIONS / 2
    last = {key: int(offset) for offset, key in found}
    first_of_last_version = (VERSIONS - 1) * (KEYS + 1)
    assert last == {str(key): first_of_last_version + key for key in range(KEYS)}


def test_positions_committed_in_transactions_are_read(dump: Dump) -> None:
    text = dump.of("__consumer_offsets-0", ".log", options=("--offsets-decoder",))
    assert text.count('"topic":"orders"') == 4
    assert re.findall(r"endTxnMarker: (\w+)", text) == ["COMMIT", "ABORT"] * 2


def test_the_states_of_transactions_are_read(dump: Dump) -> None:
    text = dump.of("__transaction_state-0", ".log", options=("--transaction-log-decoder",))
    assert text.count('"transactionalId":"mover"') >= 4 + VERSIONS
    assert '"transactionStatus":4' in text  # CompleteCommit
    assert '"transactionStatus":5' in text  # CompleteAbort


def test_the_log_of_metadata_is_read(dump: Dump) -> None:
    text = dump.of("__cluster_metadata-0", ".log", options=("--cluster-metadata-decoder",))
    for topic in ("orders", "moved", "customers"):
        assert f'"name":"{topic}"' in text
    assert '"type":"CONFIG_RECORD"' in text
    assert "Could not decode" not in text
