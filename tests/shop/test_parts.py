"""The parts of the shop that need no broker."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import islice

import httpx
import pytest

from shop import data, orders, pricing
from shop.events import OrderShipped
from tidings.cli.tally import PRICED, RECEIVED, SHIPPED
from tidings.events.declaration import types_in


async def post(body: bytes) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(orders.app), base_url="http://shop") as client:
        return await client.post("/orders", content=body)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"order_id": 3}', b'{"order_id": "o", "free": true}'])
async def test_an_order_that_is_none_is_refused(body: bytes) -> None:
    answer = await post(body)
    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_a_product_that_is_not_sold_is_refused() -> None:
    answer = await post(b'{"order_id": "o-1", "customer_id": "c-001", "product_id": "p-999"}')
    assert (answer.status_code, answer.json()) == (404, {"error": "we have no p-999"})


def test_the_same_seed_gives_the_same_orders_and_customers() -> None:
    def first(seed: int) -> list[data.PlaceOrder]:
        return list(islice(data.orders("r", 50, seed), 100))

    assert first(1) == first(1) != first(2)
    assert data.customers(50, 1) == data.customers(50, 1) != data.customers(50, 2)


def test_few_products_sell_most() -> None:
    sold = Counter(order.product_id for order in islice(data.orders("r", 50), 5000))
    best = sum(count for _, count in sold.most_common(len(data.CATALOGUE) // 5))
    assert best > 0.6 * 5000
    assert all(product in data.CATALOGUE for product in sold)


def test_customers_who_order_are_known() -> None:
    known = {customer.customer_id for customer in data.customers(50)}
    assert {order.customer_id for order in islice(data.orders("r", 50), 500)} <= known


def test_what_sells_well_becomes_dearer_up_to_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "sold_lately", type(pricing.sold_lately)(maxlen=10))
    hot, cold = list(data.CATALOGUE.values())[:2]
    prices = [pricing.follow_demand(OrderShipped("o", hot.product_id, 1, "here")).price for _ in range(10)]
    assert prices[-1] == (hot.price * Decimal("1.5")).quantize(Decimal("0.01"))
    assert pricing.price_of(cold.product_id) == cold.price


def test_the_demo_counts_what_the_contract_declares() -> None:
    declared = {name for stream in ("orders", "shipments", "prices") for name in types_in(stream)}
    assert declared == {RECEIVED, SHIPPED, PRICED}
