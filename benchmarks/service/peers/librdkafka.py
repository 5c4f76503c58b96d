"""librdkafka alone (confluent-kafka), batch by batch: what there is to be had of it in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer

from benchmarks.service.peers.orders import Order, shipment_of
from benchmarks.service.peers.task import Tally, Task

RECORDS_MAX = 1000
TRANSACTION_RECORDS_MAX = 5000

decode = msgspec.json.Decoder(Order).decode
encode = msgspec.json.Encoder().encode

Process = Callable[[list[Any]], None]


def main(task: Task) -> None:
    tally = Tally(task)
    consumer = Consumer(
        {
            "bootstrap.servers": task.bootstrap,
            "group.id": task.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,
        }
    )
    consumer.subscribe([task.topic])
    process = _process(task, tally, consumer)
    records_max = TRANSACTION_RECORDS_MAX if task.case == "exactly-once" else RECORDS_MAX
    while not tally.over:
        first = consumer.poll(0.2)
        if first is not None:  # and what has come meanwhile: `consume` with a timeout waits for a full batch
            messages = [first, *consumer.consume(records_max - 1, 0)]
            process([message for message in messages if message.error() is None])
    consumer.close()


def _process(task: Task, tally: Tally, consumer: Consumer) -> Process:
    def typed(messages: list[Any]) -> None:
        for message in messages:
            tally.handled(decode(message.value()).number)
        consumer.commit(asynchronous=True)

    if not task.output:
        return typed
    config = {"bootstrap.servers": task.bootstrap, "enable.idempotence": True, "linger.ms": 2}
    if task.case == "exactly-once":
        config["transactional.id"] = task.group
    config["queue.buffering.max.messages"] = 1_000_000
    producer = Producer(config)
    if task.case == "exactly-once":
        producer.init_transactions()

    def write(messages: list[Any]) -> None:
        for message in messages:
            order = decode(message.value())
            tally.handled(order.number)
            producer.produce(task.output, encode(shipment_of(order)), message.key())

    def at_least_once(messages: list[Any]) -> None:
        write(messages)
        producer.flush()
        consumer.commit(asynchronous=True)

    def exactly_once(messages: list[Any]) -> None:
        producer.begin_transaction()
        write(messages)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()

    return exactly_once if task.case == "exactly-once" else at_least_once


if __name__ == "__main__":
    main(Task.given())
