"""aiokafka alone, batch by batch: what one writes without a framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.service.peers.orders import Order, shipment_of
from benchmarks.service.peers.task import AWAIT_S, WORKERS, Tally, Task

RECORDS_MAX = 1000

decode = msgspec.json.Decoder(Order).decode
encode = msgspec.json.Encoder().encode

Batch = dict[TopicPartition, Sequence[Any]]
Process = Callable[[Batch], Awaitable[None]]


async def main(task: Task) -> None:
    tally = Tally(task)
    exactly_once = task.case == "exactly-once"
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.bootstrap,
        group_id=task.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed" if exactly_once else "read_uncommitted",
        max_poll_records=WORKERS if task.case == "awaiting" else RECORDS_MAX,
    )
    await consumer.start()
    producer = AIOKafkaProducer(
        bootstrap_servers=task.bootstrap,
        enable_idempotence=True,
        linger_ms=2,
        transactional_id=task.group if exactly_once else None,
    )
    await producer.start()
    process = _process(task, tally, consumer, producer)
    try:
        while not tally.over:
            if batch := await consumer.getmany(timeout_ms=200):
                await process(batch)
    finally:
        await producer.stop()
        await consumer.stop()


def _process(task: Task, tally: Tally, consumer: Any, producer: Any) -> Process:
    async def typed(batch: Batch) -> None:
        for records in batch.values():
            for record in records:
                tally.handled(decode(record.value).number)
        await consumer.commit()

    async def wait(record: Any) -> None:
        order = decode(record.value)
        await asyncio.sleep(AWAIT_S)
        tally.handled(order.number)

    async def awaiting(batch: Batch) -> None:
        await asyncio.gather(*(wait(record) for records in batch.values() for record in records))
        await consumer.commit()

    async def send(batch: Batch) -> list[Any]:
        sent = []
        for records in batch.values():
            for record in records:
                order = decode(record.value)
                tally.handled(order.number)
                sent.append(await producer.send(task.output, encode(shipment_of(order)), record.key))
        return sent

    async def at_least_once(batch: Batch) -> None:
        await asyncio.gather(*await send(batch))
        await consumer.commit()

    async def exactly_once(batch: Batch) -> None:
        async with producer.transaction():
            await asyncio.gather(*await send(batch))
            ends = {place: records[-1].offset + 1 for place, records in batch.items()}
            await producer.send_offsets_to_transaction(ends, task.group)

    special = {"awaiting": awaiting, "at-least-once": at_least_once, "exactly-once": exactly_once}
    return special.get(task.case, typed)


if __name__ == "__main__":
    asyncio.run(main(Task.given()))
