"""A real client's transactions over a broker process: committed, aborted, fenced, and over a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tidings.testing.broker import BrokerProcess

TIMEOUT_S = 20.0


def admin(broker: BrokerProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


def create(broker: BrokerProcess, *topics: str, partitions: int = 2) -> None:
    client = admin(broker)
    for future in client.create_topics([NewTopic(topic, partitions) for topic in topics]).values():
        future.result(TIMEOUT_S)


def producer(broker: BrokerProcess, name: str = "mover", *, timeout_ms: int = 60_000) -> Producer:
    """One that has taken over from whoever had the name before."""
    made = Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "transactional.id": name,
            "transaction.timeout.ms": timeout_ms,
            "log_level": 0,
            "reconnect.backoff.max.ms": 200,
        }
    )
    made.init_transactions(TIMEOUT_S)
    return made


@contextmanager
def consumer(broker: BrokerProcess, group: str = "", isolation: str = "read_committed") -> Iterator[Consumer]:
    made = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group or str(uuid4()),
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        yield made
    finally:
        made.close()


def read_all(broker: BrokerProcess, topic: str = "orders", isolation: str = "read_committed") -> list[bytes]:
    """Everything up to the end of each partition, sorted."""
    with consumer(broker, isolation=isolation) as reader:
        partitions = reader.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        reader.assign([TopicPartition(topic, index, 0) for index in partitions])
        found, ended = [], 0
        while ended < len(partitions):
            message = reader.poll(TIMEOUT_S)
            assert message is not None, "neither a record nor the end of the partition"
            if message.error():
                ended += 1
            else:
                found.append(message.value() or b"")
        return sorted(found)


def test_what_commits_is_read_and_what_aborts_is_not(broker: BrokerProcess) -> None:
    create(broker, "orders")
    mover = producer(broker)
    for number in range(10):
        mover.begin_transaction()
        for index in range(2):
            mover.produce("orders", b"%d-%d" % (number, index), partition=index)
        mover.flush(TIMEOUT_S)
        if number % 2:
            mover.commit_transaction(TIMEOUT_S)
        else:
            mover.abort_transaction(TIMEOUT_S)
    committed = sorted(b"%d-%d" % (number, index) for number in range(1, 10, 2) for index in range(2))
    assert read_all(broker) == committed
    assert len(read_all(broker, isolation="read_uncommitted")) == 20


def test_a_zombie_is_fenced_and_none_of_its_records_is_read(broker: BrokerProcess) -> None:
    create(broker, "orders")
    zombie = producer(broker)
    zombie.begin_transaction()
    zombie.produce("orders", b"zombie", partition=0)
    zombie.flush(TIMEOUT_S)
    successor = producer(broker)
    successor.begin_transaction()
    successor.produce("orders", b"successor", partition=0)
    successor.commit_transaction(TIMEOUT_S)
    with pytest.raises(KafkaException) as fenced:
        zombie.commit_transaction(TIMEOUT_S)
    assert fenced.value.args[0].fatal()
    assert read_all(broker) == [b"successor"]


def test_consumed_transformed_and_produced_exactly_once_over_crashes(broker: BrokerProcess) -> None:
    """A mover that is given up in the middle of its transactions, while the broker is killed under it."""
    create(broker, "orders", "parcels", partitions=1)
    source = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for number in range(60):
        source.produce("orders", b"%03d" % number)
    assert source.flush(TIMEOUT_S) == 0
    moved = 0
    for life in range(6):
        mover = producer(broker)
        with consumer(broker, "movers") as reader:
            moved = move(reader, mover, batches=3, abandon=life % 2 == 0)
        if life == 2:
            broker.kill()
            broker.start()
    mover = producer(broker)
    with consumer(broker, "movers") as reader:
        moved = move(reader, mover, batches=100, abandon=False)
    assert moved == 60
    assert read_all(broker, "parcels") == [b"%03d" % number for number in range(60)]


def move(reader: Consumer, mover: Producer, *, batches: int, abandon: bool) -> int:
    """Move records, five in each transaction; the position then. The last transaction is left open if `abandon`."""
    (start,) = reader.committed([TopicPartition("orders", 0)], TIMEOUT_S)
    position = max(int(start.offset), 0)
    reader.assign([TopicPartition("orders", 0, position)])
    for batch in range(batches):
        messages: list[Message] = []
        while len(messages) < 5:
            message = reader.poll(TIMEOUT_S)
            assert message is not None
            if message.error():
                return position
            messages.append(message)
        mover.begin_transaction()
        for message in messages:
            mover.produce("parcels", message.value())
        after = int(messages[-1].offset() or 0) + 1
        offsets = [TopicPartition("orders", 0, after)]
        mover.send_offsets_to_transaction(offsets, reader.consumer_group_metadata(), TIMEOUT_S)
        if abandon and batch == batches - 1:
            mover.flush(TIMEOUT_S)
            return position
        mover.commit_transaction(TIMEOUT_S)
        position = after
    return position


def test_a_crash_in_the_middle_of_a_transaction_leaves_it_open_until_it_is_over(broker: BrokerProcess) -> None:
    create(broker, "orders", partitions=1)
    mover = producer(broker)
    mover.begin_transaction()
    mover.produce("orders", b"before")
    mover.flush(TIMEOUT_S)
    broker.kill()
    broker.start()
    assert read_all(broker) == []
    mover.produce("orders", b"after")
    mover.commit_transaction(TIMEOUT_S)
    assert read_all(broker) == [b"after", b"before"]


def test_a_transaction_that_nobody_ends_is_over_when_its_time_is(broker: BrokerProcess) -> None:
    create(broker, "orders", partitions=1)
    mover = producer(broker, timeout_ms=1000)
    mover.begin_transaction()
    mover.produce("orders", b"left")
    mover.flush(TIMEOUT_S)
    broker.kill()
    broker.start()
    other = producer(broker, "other")
    other.begin_transaction()
    other.produce("orders", b"other")
    other.commit_transaction(TIMEOUT_S)
    with consumer(broker) as reader:
        reader.assign([TopicPartition("orders", 0, 0)])
        message = reader.poll(TIMEOUT_S)
        while message is not None and message.error():  # the end, as long as what is left is undecided
            message = reader.poll(TIMEOUT_S)
        assert message is not None
        assert message.value() == b"other"
    with pytest.raises(KafkaException):
        mover.commit_transaction(TIMEOUT_S)
