"""A service in a process of its own, to be killed: `python shipping_process.py NAME`.

What an order leads to can be worked out from its number alone, so whoever reads the outputs knows what must be there.
"""

from __future__ import annotations

import sys

import msgspec

from tidings import Retry, Service, event

INSURED_EVERY = 10
FAILS_EVERY = 97


@event("kill-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("kill-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("kill-shipments", key="id")
class Insured(msgspec.Struct, frozen=True):
    id: str
    n: int


def shipping(name: str) -> Service:
    service = Service(name, retry=Retry(5, backoff="5ms..20ms"))
    failed: set[int] = set()

    @service.on
    async def dispatch(order: Order) -> Shipped:
        if order.n % INSURED_EVERY == 0:
            await service.emit(Insured(order.id, order.n))
        if order.n % FAILS_EVERY == 0 and order.n not in failed:
            failed.add(order.n)
            raise ConnectionError("the first attempt never works")
        return Shipped(order.id, order.n)

    return service


if __name__ == "__main__":
    shipping(sys.argv[1]).run()
