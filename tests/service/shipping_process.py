"""A service in a process of its own, to be killed: `python shipping_process.py NAME`."""

from __future__ import annotations

import sys

import msgspec

from tidings import Service, event


@event("kill-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("kill-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int


def shipping(name: str) -> Service:
    service = Service(name)

    @service.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id, order.n)

    return service


if __name__ == "__main__":
    shipping(sys.argv[1]).run()
