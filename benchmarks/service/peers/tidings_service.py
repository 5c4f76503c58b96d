"""A service of Tidings."""

from __future__ import annotations

import asyncio
from typing import Literal

from benchmarks.service.peers.orders import Order, Shipment, shipment_of
from benchmarks.service.peers.task import AWAIT_S, WORKERS, Tally, Task
from tidings import Service, event
from tidings.service.runner import run


def declare(service: Service, task: Task, tally: Tally) -> None:
    """The handler of a case."""
    event(task.topic, key="customer_id")(Order)
    if task.output:
        event(task.output, key="customer_id")(Shipment)

    async def handle(order: Order) -> None:
        tally.handled(order.number)

    async def wait(order: Order) -> None:
        await asyncio.sleep(AWAIT_S)
        tally.handled(order.number)

    async def answer(order: Order) -> Shipment:
        tally.handled(order.number)
        return shipment_of(order)

    service.on(answer if task.output else wait if task.case == "awaiting" else handle)


def main(task: Task) -> None:
    tally = Tally(task)
    delivery: Literal["exactly_once", "at_least_once"]
    delivery = "at_least_once" if task.case == "at-least-once" else "exactly_once"
    service = Service(task.group, url=f"kafka://{task.bootstrap}", delivery=delivery)
    if task.case == "awaiting":
        service = Service(task.group, url=f"kafka://{task.bootstrap}", delivery=delivery, workers=WORKERS)
    declare(service, task, tally)
    run([service], until=tally.until_over)  # as `tidings run` does


if __name__ == "__main__":
    main(Task.given())
