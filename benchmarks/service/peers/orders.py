"""The types of the programs whose library takes msgspec's: an order that is heard, and what is answered."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True):
    order_id: str
    number: int
    customer_id: str
    product_id: str
    quantity: int
    total: str


class Shipment(msgspec.Struct, frozen=True):
    order_id: str
    number: int
    customer_id: str


def shipment_of(order: Order) -> Shipment:
    return Shipment(order.order_id, order.number, order.customer_id)
