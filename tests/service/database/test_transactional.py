"""A handler with a session: what it wrote, what it emits, and that it handled the event, are one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from tests.service.database.conftest import Until, rows
from tests.service.database.models import Account, Charge, Charged, Order, order_record

from tidings import Batch, EventRecord, Retry, Service
from tidings.errors import DeclarationError
from tidings.service.operations.receipts import read_receipt, receipts_of
from tidings.service.transports.base import Received
from tidings.service.transports.memory import MemoryBroker

AT_ONCE = Retry(5, backoff="1ms")
CHARGES = "SELECT n, customer, amount FROM charges ORDER BY n"


def charges(memory: MemoryBroker) -> list[Charged]:
    return [msgspec.json.decode(record.value or b"", type=Charged) for record in memory.records("db-charges")]


def header(record: Received, name: str) -> str | None:
    value = dict(record.headers or ()).get(name)
    return value.decode() if value is not None else None


@pytest.fixture
def billing(memory: MemoryBroker, engine: AsyncEngine) -> Service:
    return Service("billing", transport=memory.transport, database=engine, retry=AT_ONCE)


async def test_row_and_event_are_both_there(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession, record: EventRecord[Order]) -> Charged:
        db.add(Charge(n=order.n, customer=order.customer, amount=order.amount))
        return Charged(record.event.customer, order.n)

    async with billing:
        memory.append(order_record(Order("ada", 1), "order-1"))
        await until(lambda: charges(memory))
    assert charges(memory) == [Charged("ada", 1)]
    assert await rows(engine, CHARGES) == [(1, "ada", 1)]
    assert await rows(engine, "SELECT service, source, event FROM tidings_inbox") == [("billing", "/orders", "order-1")]
    assert await rows(engine, "SELECT count(*) FROM tidings_outbox") == [(0,)]
    (record,) = memory.records("db-charges")
    assert header(record, "ce_causationid") == header(record, "ce_correlationid") == "order-1"
    assert header(record, "ce_source") == "/billing"


async def test_a_receipt_names_what_went_through_the_outbox(
    memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    billing = Service("billing", transport=memory.transport, database=engine, retry=AT_ONCE, receipts=True)

    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        return Charged(order.customer, order.n)

    async with billing:
        memory.append(order_record(Order("ada", 1), "order-1"))
        await until(lambda: charges(memory) and memory.records(receipts_of("billing")))
    (record,) = memory.records(receipts_of("billing"))
    receipt = read_receipt(record.headers, record.key, record.value)
    assert receipt is not None
    assert (receipt.event, receipt.outcome) == ("order-1", "handled")
    assert receipt.outputs == (header(memory.records("db-charges")[0], "ce_id"),)


def test_sync_handler_is_given_a_session(memory: MemoryBroker, sync_engine: Engine, until: Until) -> None:
    billing = Service("billing", transport=memory.transport, database=sync_engine, retry=AT_ONCE)

    @billing.on
    def charge(order: Order, db: Session) -> Iterator[Charged]:
        db.add(Charge(n=order.n, customer=order.customer, amount=order.amount))
        yield Charged(order.customer, order.n)
        billing.emit_sync(Charged(order.customer, -order.n))

    async def run() -> None:
        async with billing:
            memory.append(order_record(Order("ada", 1)))
            memory.append(order_record(Order("ada", 1)))
            memory.append(order_record(Order("ada", 2)))
            await until(lambda: len(charges(memory)) == 4)

    asyncio.run(run())
    assert [charged.n for charged in charges(memory)] == [-1, 1, -2, 2] or [
        charged.n for charged in charges(memory)
    ] == [1, -1, 2, -2]
    with Session(sync_engine) as session:
        assert session.scalars(select(Charge.n).order_by(Charge.n)).all() == [1, 2]


async def test_event_is_handled_once_however_often_it_comes(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    calls = 0

    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        nonlocal calls
        calls += 1
        db.add(Charge(n=order.n, customer=order.customer, amount=order.amount))
        return Charged(order.customer, order.n)

    async with billing:
        for _ in range(3):
            memory.append(order_record(Order("ada", 1)))
        memory.append(order_record(Order("ada", 2)))
        await until(lambda: len(charges(memory)) == 2)
    assert charges(memory) == [Charged("ada", 1), Charged("ada", 2)]
    assert calls == 2


async def test_event_that_comes_again_after_a_restart_on_another_broker_is_known(
    memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    handled: list[int] = []
    for numbers in ([1, 2], [1, 2, 3]):
        broker = MemoryBroker()
        billing = Service("billing", transport=broker.transport, database=engine)

        @billing.on
        async def charge(order: Order, db: AsyncSession) -> Charged:
            handled.append(order.n)
            return Charged(order.customer, order.n)

        async with billing:
            for n in numbers:
                broker.append(order_record(Order("ada", n)))
            async with asyncio.timeout(10):
                while Charged("ada", numbers[-1]) not in charges(broker):
                    await broker.change()
    assert handled == [1, 2, 3]


async def test_same_id_from_another_source_is_another_event(
    billing: Service, memory: MemoryBroker, until: Until
) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        return Charged(order.customer, order.n)

    other = order_record(Order("ada", 2), "1")
    other = other._replace(headers=[("ce_id", b"1"), ("ce_source", b"/elsewhere"), ("ce_type", b"Order")])
    async with billing:
        memory.append(order_record(Order("ada", 1), "1"))
        memory.append(other)
        await until(lambda: len(charges(memory)) == 2)


async def test_each_handler_of_an_event_handles_it_once(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        return Charged(order.customer, order.n)

    @billing.on
    async def count(order: Order, db: AsyncSession) -> Charged:
        return Charged(order.customer, 100 + order.n)

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        memory.append(order_record(Order("ada", 1)))
        memory.append(order_record(Order("ada", 2)))
        await until(lambda: len(charges(memory)) == 4)
    assert [charged.n for charged in charges(memory)] == [1, 101, 2, 102]
    assert await rows(engine, "SELECT count(*) FROM tidings_inbox") == [(4,)]


async def test_failure_undoes_rows_and_events_alike_and_another_attempt_does_both_once(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    attempts = 0

    @billing.on
    async def charge(order: Order, db: AsyncSession) -> AsyncIterator[Charged]:
        nonlocal attempts
        attempts += 1
        db.add(Charge(n=order.n, customer=order.customer, amount=attempts))
        await billing.emit(Charged(order.customer, order.n))
        yield Charged(order.customer, 10 * order.n)
        await db.commit()  # reaches no further than the handler
        if attempts < 3:
            raise ConnectionError("the card company does not answer")

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        await until(lambda: len(charges(memory)) == 2)
    assert attempts == 3
    assert [charged.n for charged in charges(memory)] == [1, 10]
    assert await rows(engine, CHARGES) == [(1, "ada", 3)]
    assert len({header(record, "ce_id") for record in memory.records("db-charges")}) == 2


async def test_what_is_given_up_leaves_no_rows_and_one_dead_letter(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    @billing.on(retry=Retry(2, backoff="1ms"))
    async def charge(order: Order, db: AsyncSession) -> Charged:
        db.add(Charge(n=order.n, customer=order.customer, amount=1))
        await db.flush()
        if order.n == 1:
            raise ValueError("a card that was stolen")
        return Charged(order.customer, order.n)

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        memory.append(order_record(Order("bo", 2)))
        await until(lambda: charges(memory) and memory.records("billing.dead-letters"))
    (letter,) = memory.records("billing.dead-letters")
    assert header(letter, "dead_message") == "a card that was stolen"
    assert await rows(engine, "SELECT n FROM charges") == [(2,)]


async def test_handler_may_roll_back_what_it_began(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        db.add(Charge(n=order.n, customer=order.customer, amount=1))
        await db.flush()
        await db.rollback()
        db.add(Account(customer=order.customer, owed=0))
        return Charged(order.customer, order.n)

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        await until(lambda: charges(memory))
    assert await rows(engine, "SELECT n FROM charges") == []
    assert await rows(engine, "SELECT customer FROM accounts") == [("ada",)]


async def test_event_its_return_type_does_not_declare_is_refused_with_its_rows(
    billing: Service, memory: MemoryBroker, engine: AsyncEngine, until: Until
) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession) -> None:
        db.add(Charge(n=order.n, customer=order.customer, amount=1))
        return Charged(order.customer, order.n)  # type: ignore[return-value]

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        await until(lambda: memory.records("billing.dead-letters"))
    assert await rows(engine, CHARGES) == []


async def test_task_that_outlives_its_handler_emits_by_itself(
    billing: Service, memory: MemoryBroker, until: Until
) -> None:
    go_on = asyncio.Event()
    tasks: list[asyncio.Task[object]] = []

    @billing.on
    async def charge(order: Order, db: AsyncSession) -> None:
        async def later() -> None:
            await go_on.wait()
            await billing.emit(Charged(order.customer, order.n))

        tasks.append(asyncio.create_task(later()))

    async with billing:
        memory.append(order_record(Order("ada", 1)))
        await until(lambda: billing.in_hand == 0 and tasks)
        go_on.set()
        await until(lambda: charges(memory))
        await asyncio.gather(*tasks)


async def test_order_of_each_key_is_that_of_its_events(memory: MemoryBroker, engine: AsyncEngine, until: Until) -> None:
    billing = Service("billing", transport=memory.transport, database=engine, workers=8, retry=AT_ONCE)
    failed: set[int] = set()

    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        db.add(Charge(n=order.n, customer=order.customer, amount=1))
        await asyncio.sleep(0)
        if order.n % 7 == 0 and order.n not in failed:
            failed.add(order.n)
            raise ConnectionError
        return Charged(order.customer, order.n)

    async with billing:
        for n in range(120):
            memory.append(order_record(Order(f"c-{n % 5}", n)))
        await until(lambda: len(charges(memory)) == 120)
    for customer in range(5):
        found = [charged.n for charged in charges(memory) if charged.customer == f"c-{customer}"]
        assert found == list(range(customer, 120, 5))


def test_describe_says_that_a_handler_commits_with_the_database(billing: Service) -> None:
    @billing.on
    async def charge(order: Order, db: AsyncSession) -> Charged:
        return Charged(order.customer, order.n)

    (reading,) = billing.describe().reads
    assert (reading["delivery"], reading["emits"]) == ("with the database", ["Charged"])


# Declarations that cannot work.


def test_session_without_a_database_is_told() -> None:
    with pytest.raises(DeclarationError, match=r'Service\("lonely", database='):

        @Service("lonely").on
        async def charge(order: Order, db: AsyncSession) -> None: ...


def test_sessions_that_do_not_go_with_the_handler_are_told(tmp_path: object) -> None:
    by_async = Service("one", database=f"sqlite+aiosqlite:///{tmp_path}/a.db")
    by_threads = Service("two", database=f"sqlite:///{tmp_path}/b.db")
    with pytest.raises(DeclarationError, match="`def` a Session"):

        @by_async.on
        async def one(order: Order, db: Session) -> None: ...

    with pytest.raises(DeclarationError, match="`async def` is given an AsyncSession"):

        @by_threads.on
        def two(order: Order, db: AsyncSession) -> None: ...

    with pytest.raises(DeclarationError, match="create_async_engine"):

        @by_threads.on
        async def three(order: Order, db: AsyncSession) -> None: ...

    with pytest.raises(DeclarationError, match="a handler of one event"):

        @by_async.on
        async def five(orders: Batch[Order], db: AsyncSession) -> None: ...

    with pytest.raises(DeclarationError, match="one parameter is the session"):

        @by_async.on
        async def four(order: Order, db: AsyncSession, other: AsyncSession) -> None: ...


def test_database_that_cannot_serve_is_told() -> None:
    for place, why in (
        ("sqlite+aiosqlite://", "in memory"),
        ("sqlite://", "in memory"),
        ("oracle+nothing://x", "no database that SQLAlchemy knows"),
        ("not a url", "no database that SQLAlchemy knows"),
    ):
        with pytest.raises(DeclarationError, match=why):
            Service("billing", database=place)
