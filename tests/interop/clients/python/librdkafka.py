"""The matrix's client on librdkafka, through confluent-kafka."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from tests.interop.clients.python.contract import Asked, End, Record, acknowledged, received, run

TIMEOUT_S = 30


def produce(bootstrap: str, transactional_id: str | None, script: Iterator[Record | End]) -> None:
    producers: dict[str, Producer] = {}
    offsets: dict[int, int] = {}
    open_transactions: set[str] = set()
    count = 0
    for step in script:
        producer = producers.get(step.compression)
        if producer is None:
            settings = {"bootstrap.servers": bootstrap, "compression.type": step.compression, "linger.ms": 5}
            settings["enable.idempotence"] = True
            if transactional_id is not None:
                settings["transactional.id"] = f"{transactional_id}-{step.compression}"
            producer = producers[step.compression] = Producer(settings)
            if transactional_id is not None:
                producer.init_transactions(TIMEOUT_S)
        if isinstance(step, End):
            if producer.flush(TIMEOUT_S):  # an abort would purge what has not been sent
                raise TimeoutError("not all was acknowledged")
            if step.commit:
                producer.commit_transaction(TIMEOUT_S)
            else:
                producer.abort_transaction(TIMEOUT_S)
            open_transactions.discard(step.compression)
            continue
        if transactional_id is not None and step.compression not in open_transactions:
            producer.begin_transaction()
            open_transactions.add(step.compression)

        def delivered(error: KafkaError | None, message: Message, number: int = count) -> None:
            if error is not None:
                raise KafkaException(error)
            offset = message.offset()
            assert offset is not None
            offsets[number] = offset

        producer.produce(
            step.topic, step.value, step.key,
            partition=step.partition, headers=list(step.headers), timestamp=step.timestamp_ms, on_delivery=delivered,
        )  # fmt: skip
        count += 1
    for producer in producers.values():
        producer.flush(TIMEOUT_S)
    for number in range(count):
        acknowledged(offsets[number])


def consume(asked: Asked) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": asked.bootstrap,
            "group.id": asked.group,
            "group.protocol": asked.protocol,
            "isolation.level": asked.isolation,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(asked.topics)
    count, deadline = 0, asked.deadline()
    while count < asked.count:
        if monotonic() > deadline:
            raise TimeoutError(f"{count} records came, {asked.count} are expected")
        for message in consumer.consume(asked.count - count, 0.2):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            headers = [(name, value) for name, value in message.headers() or []]
            timestamp_ms = message.timestamp()[1]
            received(topic, partition, offset, message.key(), message.value(), headers, timestamp_ms)
            count += 1
    consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    run(
        f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}", produce, consume
    )
