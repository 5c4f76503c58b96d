"""A day in the shop, in a world full of faults: orders are placed, shipped, and prices follow. Each exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from shop import data
from shop.data import CATALOGUE, PlaceOrder
from shop.events import CustomerChanged, OrderReceived, OrderShipped, PriceChanged
from shop.orders import orders
from shop.pricing import pricing, sold_lately
from shop.shipping import shipping
from tidings import Faults, World

FAULTS = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)
CUSTOMERS = 4
ORDERS = 6


@dataclass(frozen=True)
class Day:
    """What there was to survive."""

    crashes: int
    aborted: int
    """Transactions that came to nothing."""
    seconds: float
    """Of the world's time."""


def received(order: PlaceOrder) -> OrderReceived:
    total = CATALOGUE[order.product_id].price * order.quantity
    return OrderReceived(order.order_id, order.customer_id, order.product_id, order.quantity, total)


async def live(seed: int, faults: Faults = FAULTS) -> Day:
    """Let the day of this seed pass. Raises AssertionError, with the world in its notes, if it went wrong."""
    sold_lately.clear()  # a variable of the module, which survives worlds
    async with World(orders, shipping, pricing, seed=seed, faults=faults) as world:
        began_ms = world.clock.now_ms()
        known = {one.customer_id: one for one in data.customers(CUSTOMERS, seed)}
        for customer in known.values():
            world.emit(customer)
        placed = [received(order) for order in islice(data.orders("w", CUSTOMERS, seed), ORDERS)]
        emissions = [world.emit(order) for order in placed]
        await world.settled()
        assert not world.dead
        for order, emission in zip(placed, emissions, strict=True):
            run = await emission.settled()
            assert run.path == [OrderReceived, OrderShipped, PriceChanged]
            (shipped,) = run.emitted(OrderShipped)
            assert shipped.to == known[order.customer_id].address
            (changed,) = run.emitted(PriceChanged)
            list_price = CATALOGUE[order.product_id].price
            assert list_price <= changed.price <= list_price * Decimal("1.51")
            assert run.recorded == 3
        check_streams(world, placed)
        assert world.table(shipping, CustomerChanged)[placed[0].customer_id] == known[placed[0].customer_id]
        return Day(world.crashes, world.broker.transactions.aborted, (world.clock.now_ms() - began_ms) / 1000)


def check_streams(world: World, placed: list[OrderReceived]) -> None:
    """The streams themselves: one record for each, not only one id."""
    shipments = Counter(record.key for record in world.broker.records("shipments"))
    assert shipments == Counter(order.order_id.encode() for order in placed)
    prices = Counter(record.key for record in world.broker.records("prices"))
    assert prices == Counter(order.product_id.encode() for order in placed)
