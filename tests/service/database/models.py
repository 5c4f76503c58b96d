"""What the services in these tests keep and say."""

from __future__ import annotations

import msgspec
from sqlalchemy import BigInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tidings import event
from tidings.events.ids import derived_id
from tidings.service.transports.base import Outgoing


@event("db-orders", key="customer")
class Order(msgspec.Struct, frozen=True):
    customer: str
    n: int
    amount: int = 1


@event("db-charges", key="customer")
class Charged(msgspec.Struct, frozen=True):
    customer: str
    n: int
    amount: int = 1


class Base(DeclarativeBase):
    pass


class Charge(Base):
    """One for each order that was charged."""

    __tablename__ = "charges"
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    customer: Mapped[str]
    amount: Mapped[int]


class Account(Base):
    """What a customer owes: the sum of the charges."""

    __tablename__ = "accounts"
    customer: Mapped[str] = mapped_column(primary_key=True)
    owed: Mapped[int]


def order_record(order: Order, event_id: str | None = None) -> Outgoing:
    """An order as a producer of any kind writes it; twice the same record is a redelivery."""
    return Outgoing(
        "db-orders",
        order.customer.encode(),
        msgspec.json.encode(order),
        [
            ("ce_id", (event_id or derived_id("order", order.n)).encode()),
            ("ce_source", b"/orders"),
            ("ce_type", b"Order"),
        ],
    )
