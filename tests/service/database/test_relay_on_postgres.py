"""What only PostgreSQL can show of the relay: transactions that overlap, notifications, a server that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from tests.peers.postgres import Postgres
from tests.service.database.conftest import Until, rows, until_rows
from tests.service.database.models import Base, Charge, Charged, Order, order_record
from tests.service.database.test_relay import OUTBOX, Stream, database, put, start, stream, values
from tests.service.database.test_transactional import charges

from tidings import Retry, Service
from tidings.service.database import bell, relay
from tidings.service.database.database import Database
from tidings.service.database.relay import Relay
from tidings.service.transports.memory import MemoryBroker

pytestmark = pytest.mark.external
__all__ = ["database", "start", "stream"]  # fixtures


@pytest.fixture(params=["asyncpg", "psycopg"])
def database_url(request: pytest.FixtureRequest, postgres: Postgres) -> str:
    return f"postgresql+{request.param}://{postgres.database()}"


async def test_row_that_becomes_visible_after_a_later_one_is_published_too(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    outbox = database.outbox("billing")
    start()
    async with engine.begin() as early:
        await early.run_sync(outbox.put, [order_record(Order("ada", 1))], 0)
        await put(database, 2)
        await stream.until(lambda: stream.records)
        assert stream.values == values(2)
    await stream.until(lambda: len(stream.records) == 2)
    assert stream.values == values(2, 1)


async def test_commit_in_another_process_wakes_a_relay_that_sleeps(
    database: Database, start: Callable[[], Relay], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody rings here but PostgreSQL, and time does not."""
    monkeypatch.setattr(bell, "ASLEEP_S", 1e6)
    running = start()
    for n in range(5):
        async with asyncio.timeout(20):
            while not running.state.is_at_rest:
                await asyncio.sleep(0.005)
        await put(database, n)
        await stream.until(lambda: len(stream.records) > n)  # noqa: B023


async def test_relay_that_is_awake_is_not_notified(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    """A notification costs every commit on the server: it is for a relay that sleeps."""
    locks = database.locks("billing")
    async with engine.connect() as listening:
        for is_asleep in (False, True):
            if is_asleep:
                await listening.execute(text(f"SELECT pg_advisory_lock({locks.asleep})"))
            async with engine.begin() as writing:
                await writing.run_sync(database.outbox("billing").put, [order_record(Order("ada", 1))], 0)
                query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'")
                assert (await writing.execute(query)).scalar() == (0 if is_asleep else 1)


async def test_transactions_on_one_row_are_published_in_the_order_in_which_they_had_it(
    engine: AsyncEngine, memory: MemoryBroker, until: Until
) -> None:
    """The first to emit is not the first to have the row: `emit` flushes before it writes the outbox."""
    orders = Service("orders", transport=memory.transport, database=Database(engine))
    async with orders, AsyncSession(engine) as one, AsyncSession(engine) as other:
        one.add(Charge(n=1, customer="ada", amount=0))
        await one.commit()
        charge = await other.get(Charge, 1)
        assert charge is not None
        (await one.get_one(Charge, 1)).amount = 1
        await orders.emit(Order("ada", 1), db=one)
        charge.amount = 2
        second = asyncio.create_task(orders.emit(Order("ada", 2), db=other))  # waits for the row
        await asyncio.sleep(0.05)
        assert not second.done()
        await one.commit()
        await second
        await other.commit()
        await until(lambda: len(memory.records("db-orders")) == 2)
    assert [record.value for record in memory.records("db-orders")] == values(1, 2)


@pytest.mark.timeout(180)
async def test_server_that_goes_away_and_comes_back_costs_no_attempt_and_no_event(
    memory: MemoryBroker, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "AGAIN_S", 0.05)
    with Postgres() as server:
        engine = create_async_engine(f"postgresql+asyncpg://{server.database()}")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        billing = Service("billing", transport=memory.transport, database=engine, retry=Retry(1), workers=4)

        @billing.on
        async def charge(order: Order, db: AsyncSession) -> Charged:
            db.add(Charge(n=order.n, customer=order.customer, amount=1))
            return Charged(order.customer, order.n)

        async with billing:
            for n in range(300):
                memory.append(order_record(Order(f"c-{n % 10}", n)))
            for part in (50, 150):
                await until(lambda: len(charges(memory)) >= part)  # noqa: B023
                await asyncio.to_thread(server.stop_at_once)
                await asyncio.to_thread(server.start)
            await until(lambda: len({charged.n for charged in charges(memory)}) == 300)
            await until_rows(engine, OUTBOX, [(0,)])
        assert memory.records("billing.dead-letters") == []
        assert await rows(engine, "SELECT count(*) FROM charges") == [(300,)]
        await engine.dispose()
