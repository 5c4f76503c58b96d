"""The matrix's client on kafka-python."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import kafka
from kafka import KafkaConsumer, KafkaProducer
from tests.interop.clients.python.contract import Asked, End, Record, acknowledged, received, run

TIMEOUT_S = 30


def produce(bootstrap: str, transactional_id: str | None, script: Iterator[Record | End]) -> None:
    producers: dict[str, Any] = {}
    open_transactions: set[str] = set()
    sent: list[Any] = []
    for step in script:
        producer = producers.get(step.compression)
        if producer is None:
            settings: dict[str, object] = {"bootstrap_servers": bootstrap, "enable_idempotence": True, "linger_ms": 5}
            settings["compression_type"] = None if step.compression == "none" else step.compression
            if transactional_id is not None:
                settings["transactional_id"] = f"{transactional_id}-{step.compression}"
            producer = producers[step.compression] = KafkaProducer(**settings)
            if transactional_id is not None:
                producer.init_transactions()
        if isinstance(step, End):
            producer.flush(TIMEOUT_S)
            if step.commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
            open_transactions.discard(step.compression)
            continue
        if transactional_id is not None and step.compression not in open_transactions:
            producer.begin_transaction()
            open_transactions.add(step.compression)
        future = producer.send(
            step.topic, value=step.value, key=step.key,
            headers=step.headers, partition=step.partition, timestamp_ms=step.timestamp_ms,
        )  # fmt: skip
        sent.append(future)
    for future in sent:
        acknowledged(future.get(TIMEOUT_S).offset)
    for producer in producers.values():
        producer.close()


def consume(asked: Asked) -> None:
    consumer = KafkaConsumer(
        *asked.topics,
        bootstrap_servers=asked.bootstrap,
        group_id=asked.group,
        isolation_level=asked.isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    count, deadline = 0, asked.deadline()
    while count < asked.count:
        if monotonic() > deadline:
            raise TimeoutError(f"{count} records came, {asked.count} are expected")
        for records in consumer.poll(timeout_ms=500, max_records=asked.count - count).values():
            for record in records:
                at = record.topic, record.partition, record.offset
                received(*at, record.key, record.value, list(record.headers), record.timestamp)
                count += 1
    consumer.commit()
    consumer.close()


if __name__ == "__main__":
    run(f"kafka-python {kafka.__version__}", produce, consume)
