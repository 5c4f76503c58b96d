"""The contract: what the two services say to each other, and to whoever else listens."""

import msgspec

from tidings import event


@event("orders", key="customer_id")
class OrderReceived(msgspec.Struct, frozen=True):
    """A customer placed an order, and it is in our books."""

    order_id: str
    customer_id: str
    total_cents: int


@event("charges", key="customer_id")
class OrderCharged(msgspec.Struct, frozen=True):
    """What was ordered is on the customer's account."""

    order_id: str
    customer_id: str
    owed_cents: int
    """All that the customer owes by now."""
