"""The matrix's client on aiokafka."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Iterator
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.interop.clients.python.contract import Asked, End, Record, acknowledged, received, run


async def _produce(bootstrap: str, transactional_id: str | None, script: Iterator[Record | End]) -> None:
    producers: dict[str, Any] = {}
    open_transactions: set[str] = set()
    sent: list[Future[Any]] = []
    for step in script:
        producer = producers.get(step.compression)
        if producer is None:
            producer = producers[step.compression] = AIOKafkaProducer(
                bootstrap_servers=bootstrap,
                compression_type=None if step.compression == "none" else step.compression,
                enable_idempotence=True,
                linger_ms=5,
                transactional_id=None if transactional_id is None else f"{transactional_id}-{step.compression}",
            )
            await producer.start()
        if isinstance(step, End):
            await producer.flush()
            await (producer.commit_transaction() if step.commit else producer.abort_transaction())
            open_transactions.discard(step.compression)
            continue
        if transactional_id is not None and step.compression not in open_transactions:
            await producer.begin_transaction()
            open_transactions.add(step.compression)
        sent.append(
            await producer.send(
                step.topic, step.value, step.key,
                partition=step.partition, timestamp_ms=step.timestamp_ms, headers=step.headers,
            )
        )  # fmt: skip
    for stored in await asyncio.gather(*sent):
        acknowledged(stored.offset)
    for producer in producers.values():
        await producer.stop()


async def _consume(asked: Asked) -> None:
    consumer = AIOKafkaConsumer(
        *asked.topics,
        bootstrap_servers=asked.bootstrap,
        group_id=asked.group,
        isolation_level=asked.isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(asked.timeout_s):
            for _ in range(asked.count):
                record = await consumer.getone()
                headers = list(record.headers)
                at = record.topic, record.partition, record.offset
                received(*at, record.key, record.value, headers, record.timestamp)
        await consumer.commit()
    finally:
        await consumer.stop()


def produce(bootstrap: str, transactional_id: str | None, script: Iterator[Record | End]) -> None:
    asyncio.run(_produce(bootstrap, transactional_id, script))


def consume(asked: Asked) -> None:
    asyncio.run(_consume(asked))


if __name__ == "__main__":
    run(f"aiokafka {aiokafka.__version__}", produce, consume)
