"""Emitting into a transaction of the program's own, as a web endpoint does."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session
from tests.service.database.conftest import Until, rows
from tests.service.database.models import Charge, Order
from tests.service.database.test_transactional import header

from tidings import Service
from tidings.errors import DeclarationError
from tidings.events.context import EventContext, using
from tidings.service.transports.memory import MemoryBroker


@pytest.fixture
def orders(memory: MemoryBroker, engine: AsyncEngine) -> Service:
    return Service("orders", transport=memory.transport, database=engine)


async def test_event_is_published_if_its_transaction_commits(
    orders: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    async with orders, AsyncSession(engine) as db:
        db.add(Charge(n=1, customer="ada", amount=1))
        with using(EventContext(request_id="r-1")):
            position = await orders.emit(Order("ada", 1), db=db)
        assert position.offset == -1, "nobody knows yet where it will stand"
        assert memory.records("db-orders") == []
        await db.commit()
        await until(lambda: memory.records("db-orders"))
    (record,) = memory.records("db-orders")
    assert header(record, "ce_requestid") == "r-1"
    assert await rows(engine, "SELECT n FROM charges") == [(1,)]


async def test_event_is_not_published_if_its_transaction_is_rolled_back(
    orders: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    async with orders, AsyncSession(engine) as db:
        await orders.emit(Order("ada", 1), db=db)
        await db.rollback()
        await orders.emit(Order("ada", 2), db=db)
        await db.commit()
        await until(lambda: memory.records("db-orders"))
    assert [record.value for record in memory.records("db-orders")] == [b'{"customer":"ada","n":2,"amount":1}']


async def test_connections_and_scoped_sessions_will_do(
    orders: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    scoped = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
    async with orders:
        async with engine.begin() as connection:
            await orders.emit(Order("ada", 1), db=connection)
        await orders.emit(Order("ada", 2), db=scoped)
        await scoped.commit()
        await scoped.remove()
        await until(lambda: len(memory.records("db-orders")) == 2)


def test_code_that_is_not_async_emits_into_its_session(memory: MemoryBroker, sync_engine: Engine, until: Until) -> None:
    orders = Service("orders", transport=memory.transport, database=sync_engine)

    def place(n: int) -> None:
        with Session(sync_engine) as db:
            db.add(Charge(n=n, customer="ada", amount=1))
            orders.emit_sync(Order("ada", n), db=db)
            db.commit()

    async def run() -> None:
        async with orders:
            await asyncio.to_thread(place, 1)
            await until(lambda: memory.records("db-orders"))

    asyncio.run(run())


async def test_events_written_while_the_service_was_down_are_published_when_it_starts(
    orders: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    async with orders:
        pass  # the tables are there now
    async with AsyncSession(engine) as db:
        await orders.emit(Order("ada", 1), db=db)
        await db.commit()
    assert memory.records("db-orders") == []
    async with orders:
        await until(lambda: memory.records("db-orders"))


async def test_stop_publishes_what_is_there(orders: Service, memory: MemoryBroker, engine: AsyncEngine) -> None:
    async with orders, AsyncSession(engine) as db:
        for n in range(50):
            await orders.emit(Order("ada", n), db=db)
        await db.commit()
    assert len(memory.records("db-orders")) == 50


async def test_session_needs_a_database_and_must_be_one(orders: Service, memory: MemoryBroker) -> None:
    with pytest.raises(DeclarationError, match="not a str"):
        await orders.emit(Order("ada", 1), db="sqlite:///")
    plain = Service("plain", transport=memory.transport)
    with pytest.raises(DeclarationError, match=r'Service\("plain", database='):
        await plain.emit(Order("ada", 1), db=object())
