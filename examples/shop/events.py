"""The contract: what happens in the shop. All that one service may know of another is in this file."""

from decimal import Decimal

import msgspec

from tidings import event


@event("customers", key="customer_id")
class CustomerChanged(msgspec.Struct, frozen=True):
    """A customer is new, or moved: all that others may know of them, so that nobody needs to ask."""

    customer_id: str
    name: str
    address: str


@event("orders", key="order_id")
class OrderReceived(msgspec.Struct, frozen=True):
    """A customer placed an order and it was accepted."""

    order_id: str
    customer_id: str
    product_id: str
    quantity: int
    total: Decimal


@event("shipments", key="order_id")
class OrderShipped(msgspec.Struct, frozen=True):
    """What was ordered is on its way to where the customer lives."""

    order_id: str
    product_id: str
    quantity: int
    to: str


@event("prices", key="product_id")
class PriceChanged(msgspec.Struct, frozen=True):
    """A product costs this from now on."""

    product_id: str
    price: Decimal
