"""The web front, which takes orders into its database: `uvicorn outbox.orders:app`.

The order's row and the event that tells of it are one transaction. Nobody who is answered "201" was not heard of, and
nobody hears of an order that was not taken. The broker may be away: the event waits in the outbox.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, PositiveInt
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from outbox.events import OrderCharged, OrderReceived
from tidings import Database, RequestContext, Service

engine = create_async_engine(os.environ.get("ORDERS_DATABASE", "sqlite+aiosqlite:///orders.db"))


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    total_cents: Mapped[int]
    charged: Mapped[bool] = mapped_column(default=False)


orders = Service("orders", database=Database(engine, metadata=Base.metadata))


@orders.on
async def note(charged: OrderCharged, db: AsyncSession) -> None:
    """What billing says comes back to the row."""
    order = await db.get_one(Order, charged.order_id)
    order.charged = True


async def session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as db:
        yield db


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with orders.lifespan(app):
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(RequestContext)  # the request's id and the client's address travel in the event

Db = Annotated[AsyncSession, Depends(session)]


class PlaceOrder(BaseModel):
    order_id: str
    customer_id: str
    total_cents: PositiveInt


@app.post("/orders", status_code=201)
async def place(wanted: PlaceOrder, db: Db) -> dict[str, str]:
    try:
        async with db.begin():
            db.add(Order(**wanted.model_dump()))
            await orders.emit(OrderReceived(wanted.order_id, wanted.customer_id, wanted.total_cents), db=db)
    except IntegrityError:
        raise HTTPException(409, f"there is an order {wanted.order_id} already") from None
    return {"order_id": wanted.order_id}


@app.get("/orders/{order_id}")
async def show(order_id: str, db: Db) -> dict[str, object]:
    order = await db.get(Order, order_id)
    if order is None:
        raise HTTPException(404, f"there is no order {order_id}")
    return {"order_id": order.order_id, "total_cents": order.total_cents, "charged": order.charged}
