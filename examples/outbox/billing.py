"""Puts what was ordered on the customers' accounts: `tidings run outbox.billing`.

To add to a sum twice would be wrong, and events may come twice. The handler need not care: that it handled an event is
a row in the same transaction, and it is called once for each.
"""

import os

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from outbox.events import OrderCharged, OrderReceived
from tidings import Database, Service


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"

    customer_id: Mapped[str] = mapped_column(primary_key=True)
    owed_cents: Mapped[int] = mapped_column(default=0)


url = os.environ.get("BILLING_DATABASE", "sqlite+aiosqlite:///billing.db")
billing = Service("billing", database=Database(url, metadata=Base.metadata))


@billing.on
async def charge(order: OrderReceived, db: AsyncSession) -> OrderCharged:
    account = await db.get(Account, order.customer_id)
    if account is None:
        account = Account(customer_id=order.customer_id, owed_cents=0)
        db.add(account)
    account.owed_cents += order.total_cents
    return OrderCharged(order.order_id, order.customer_id, account.owed_cents)
