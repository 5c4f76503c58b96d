"""What FastStream's two Kafka brokers have in common: they differ in the client underneath."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fast_depends.msgspec import MsgSpecSerializer  # type: ignore[import-not-found, unused-ignore]
from faststream import AckPolicy  # type: ignore[import-not-found, unused-ignore]

from benchmarks.service.peers.orders import Order, shipment_of
from benchmarks.service.peers.task import AWAIT_S, WORKERS, Tally, Task

encode = msgspec.json.Encoder().encode


async def main(task: Task, kafka: Any) -> None:
    """`kafka` is faststream.confluent or faststream.kafka."""
    tally = Tally(task)

    async def handle(order: Order) -> None:
        tally.handled(order.number)

    async def wait(order: Order) -> None:
        await asyncio.sleep(AWAIT_S)
        tally.handled(order.number)

    async def answer(order: Order) -> Any:
        tally.handled(order.number)
        return kafka.KafkaResponse(shipment_of(order), key=order.customer_id.encode())

    broker = kafka.KafkaBroker(task.bootstrap, logger=None, serializer=MsgSpecSerializer())
    options: dict[str, Any] = {"group_id": task.group, "auto_offset_reset": "earliest"}
    options["ack_policy"] = AckPolicy.ACK_FIRST if task.case in ("typed-ack-first", "awaiting") else AckPolicy.ACK
    if task.case == "awaiting":
        options["max_workers"] = WORKERS  # on confluent-kafka that is refused with any other policy
    subscriber = broker.subscriber(task.topic, **options)
    if task.output:
        subscriber(broker.publisher(task.output)(answer))
    else:
        subscriber(wait if task.case == "awaiting" else handle)
    await broker.start()
    await tally.until_over()
    await broker.stop()
