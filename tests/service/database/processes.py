"""The services of `kills`, each a process of its own: `python -m tests.service.database.processes ROLE URL`."""

from __future__ import annotations

import asyncio
import logging
import sys

from sqlalchemy import BigInteger, case
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from tests.service.database.models import Account, Base, Charge, Charged, Order

from tidings import Database, Service


class Booked(Base):
    """What the ledger heard of a customer: how often, the sum, the last, and how many were not after the last."""

    __tablename__ = "booked"
    customer: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    total: Mapped[int]
    last: Mapped[int] = mapped_column(BigInteger)
    disorder: Mapped[int]


def billing(database: Database) -> Service:
    service = Service("billing", database=database)

    @service.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        await db.execute(insert(Charge).values(n=order.n, customer=order.customer, amount=order.amount))
        owes = insert(Account).values(customer=order.customer, owed=order.amount)
        more = {"owed": Account.owed + order.amount}  # done twice, it would show
        await db.execute(owes.on_conflict_do_update(index_elements=["customer"], set_=more))
        return Charged(order.customer, order.n, order.amount)

    return service


def ledger(database: Database) -> Service:
    service = Service("ledger", database=database)

    @service.on
    async def book(charged: Charged, db: AsyncSession) -> None:
        books = insert(Booked).values(
            customer=charged.customer, count=1, total=charged.amount, last=charged.n, disorder=0
        )
        more = {
            "count": Booked.count + 1,
            "total": Booked.total + charged.amount,
            "last": charged.n,
            "disorder": Booked.disorder + case((Booked.last < charged.n, 0), else_=1),
        }
        await db.execute(books.on_conflict_do_update(index_elements=["customer"], set_=more))

    return service


def main(role: str, url: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    database = Database(url, relay=False)
    if role == "relay":
        asyncio.run(billing(database).relay())
    else:
        {"billing": billing, "ledger": ledger}[role](database).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
