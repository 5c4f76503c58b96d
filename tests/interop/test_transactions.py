"""Java's transactions, of version 2, and Kafka's tools for those that hang; our files as its own tool reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.peers.apache_kafka import run_java

from tidings.testing.broker import BrokerProcess

pytestmark = pytest.mark.external

TOOLS = "org.apache.kafka.tools"
TIMEOUT_S = 20.0


def transactions(broker: BrokerProcess, *arguments: str) -> list[dict[str, str]]:
    """What `kafka-transactions` prints: a row for each line, by the names of its columns."""
    printed = run_java(f"{TOOLS}.TransactionsCommand", "--bootstrap-server", broker.bootstrap, *arguments)
    rows = [[cell.strip() for cell in line.split("\t")] for line in printed.splitlines() if "\t" in line]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def dump(broker: BrokerProcess, partition: str, *arguments: str) -> str:
    (segment,) = (broker.data / partition).glob("*.log")
    return run_java(f"{TOOLS}.DumpLogSegments", "--deep-iteration", "--files", str(segment), *arguments)


def test_java_gives_each_transaction_an_epoch_of_its_own(broker: BrokerProcess, tmp_path: Path) -> None:
    settings = tmp_path / "producer.properties"
    settings.write_text(f"bootstrap.servers={broker.bootstrap}\nacks=all\n")
    printed = run_java(
        f"{TOOLS}.ProducerPerformance", "--topic", "orders", "--num-records", "20000", "--record-size", "100",
        "--throughput", "-1", "--transactional-id", "perf", "--transaction-duration-ms", "50",
        "--command-config", str(settings),
    )  # fmt: skip
    assert "20000 records sent" in printed
    (listed,) = transactions(broker, "list")
    assert (listed["TransactionalId"], listed["TransactionState"]) == ("perf", "CompleteCommit")
    (described,) = transactions(broker, "describe", "--transactional-id", "perf")
    epoch = int(described["ProducerEpoch"])
    assert epoch > 1
    (writer,) = transactions(broker, "describe-producers", "--topic", "orders", "--partition", "0")
    assert (int(writer["ProducerEpoch"]), writer["CurrentTransactionStartOffset"]) == (epoch, "None")
    broker.stop()
    assert dump(broker, "orders-0").count("endTxnMarker: COMMIT") == epoch
    states = [state for _, state in stored_states(broker)]
    assert [state["clientTransactionVersion"] for state in states[1:]] == [2] * (len(states) - 1)
    assert states[-1]["transactionStatus"] == 4


def stored_states(broker: BrokerProcess) -> list[tuple[str, dict[str, Any]]]:
    """The records of `__transaction_state` as Kafka's tool reads them."""
    printed = dump(broker, "__transaction_state-0", "--transaction-log-decoder")
    found = re.findall(r"key: (\{.*?\}) payload: (\{.*\})$", printed, re.MULTILINE)
    return [(json.loads(key)["data"]["transactionalId"], json.loads(value)["data"]) for key, value in found]


def test_a_transaction_that_hangs_is_found_and_aborted_with_kafkas_tool(broker: BrokerProcess) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic("orders", 1)])["orders"].result(TIMEOUT_S)
    mover = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "mover", "log_level": 0})
    mover.init_transactions(TIMEOUT_S)
    mover.begin_transaction()
    mover.produce("orders", b"hangs")
    mover.flush(TIMEOUT_S)
    (writer,) = transactions(broker, "describe-producers", "--topic", "orders", "--partition", "0")
    assert writer["CurrentTransactionStartOffset"] == "0"
    transactions(broker, "abort", "--topic", "orders", "--partition", "0", "--start-offset", "0")
    (writer,) = transactions(broker, "describe-producers", "--topic", "orders", "--partition", "0")
    assert writer["CurrentTransactionStartOffset"] == "None"


def test_offsets_of_transactions_are_read_by_kafkas_tool(broker: BrokerProcess) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic("orders", 1)])["orders"].result(TIMEOUT_S)
    mover = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "mover", "log_level": 0})
    mover.init_transactions(TIMEOUT_S)
    reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "movers", "log_level": 0})
    for commit in (True, False):
        mover.begin_transaction()
        mover.produce("orders", b"moved")
        metadata = reader.consumer_group_metadata()
        mover.send_offsets_to_transaction([TopicPartition("orders", 0, 7)], metadata, TIMEOUT_S)
        if commit:
            mover.commit_transaction(TIMEOUT_S)
        else:
            mover.abort_transaction(TIMEOUT_S)
    reader.close()
    broker.stop()
    printed = dump(broker, "__consumer_offsets-0", "--offsets-decoder")
    assert printed.count("isTransactional: true isControl: false") == 2
    assert [printed.count(f"endTxnMarker: {end}") for end in ("COMMIT", "ABORT")] == [1, 1]
    assert printed.count('"offset":7') == 2
