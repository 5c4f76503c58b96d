"""A service that cannot ship the orders named in a file, in a process of its own, to be killed.

`python poisoned_process.py NAME POISON`: every key in the file POISON fails at its order 0.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from tidings import Retry, Service, event


@event("poisoned-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("poisoned-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int


def shipping(name: str, poison: Path, *, slow_s: float = 0.0) -> Service:
    service = Service(name, retry=Retry(1))

    @service.on
    async def dispatch(order: Order) -> Shipped:
        if order.n == 0 and order.id in poison.read_text().split():
            raise ValueError(f"{order.id} is poison")
        if slow_s:
            await asyncio.sleep(slow_s)
        return Shipped(order.id, order.n)

    return service


if __name__ == "__main__":
    shipping(sys.argv[1], Path(sys.argv[2]), slow_s=0.02).run()
