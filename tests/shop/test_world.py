"""The shop's whole workflow in worlds full of faults: every order is shipped exactly once, whatever the seed.

TIDINGS_SEEDS says how many seeds to try: 100 unless told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import httpx
import pytest

from shop import data
from shop.customers import customers
from shop.data import CATALOGUE, PlaceOrder
from shop.events import CustomerChanged, OrderReceived, OrderShipped, PriceChanged
from shop.orders import app, orders
from shop.pricing import pricing, sold_lately
from shop.shipping import shipping
from tidings import Faults, World

SEEDS = int(os.environ.get("TIDINGS_SEEDS", "100"))
SHARES = 4
"""Into which the seeds are divided, so that test processes side by side share them."""
FAULTS = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)
CUSTOMERS = 4
ORDERS = 6


@pytest.fixture(autouse=True)
def new_window() -> Iterator[None]:
    """What sold lately is a variable of the module, and survives the worlds."""
    sold_lately.clear()
    yield
    sold_lately.clear()


def received(order: PlaceOrder) -> OrderReceived:
    total = CATALOGUE[order.product_id].price * order.quantity
    return OrderReceived(order.order_id, order.customer_id, order.product_id, order.quantity, total)


async def test_order_placed_at_the_web_front_goes_all_the_way() -> None:
    async with World(customers, orders, shipping, pricing, seed=7) as world:
        (customer,) = data.customers(1)
        await customers.emit(customer)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            order = {"order_id": "o-1", "customer_id": customer.customer_id, "product_id": "p-01", "quantity": 2}
            answer = await client.post("/orders", json=order, headers={"x-request-id": "r-1"})
            assert answer.status_code == 201
        await world.settled()
        (shipped,) = world.emitted(OrderShipped)
        assert (shipped.order_id, shipped.to) == ("o-1", customer.address)
        first, *effects = [record for record in world.run().records if record.request_id == "r-1"]
        assert first.type == "OrderReceived"
        assert [record.type for record in effects] == ["OrderShipped", "PriceChanged"]
        assert world.table(shipping, CustomerChanged)[customer.customer_id] == customer


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
async def test_every_order_is_shipped_exactly_once_whatever_happens(share: int) -> None:
    for seed in range(share, SEEDS, SHARES):
        sold_lately.clear()
        async with World(orders, shipping, pricing, seed=seed, faults=FAULTS) as world:
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
            shipments = [shipped.order_id for shipped in world.emitted(OrderShipped)]
            assert sorted(shipments) == [order.order_id for order in placed]
