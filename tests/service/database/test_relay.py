"""The relay: in order, one at a time, and nothing lost whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.service.database.conftest import WAIT_S, rows, until_rows
from tests.service.database.models import Order, order_record

from tidings.errors import UnavailableError
from tidings.events.position import Position
from tidings.service.clock import SystemClock
from tidings.service.database import relay
from tidings.service.database.database import Database
from tidings.service.database.relay import Relay
from tidings.service.transports.base import Done, Outgoing, RefusedError, StreamSpec

OUTBOX = "SELECT count(*) FROM tidings_outbox"


class Stream:
    """Where relays send: acknowledges at once, or when it is told to."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.ensured: set[str] = set()
        self.changed = asyncio.Event()
        self.open = True
        self.refuses: Callable[[Outgoing], bool] = lambda record: False
        self._held: list[tuple[Sequence[Outgoing], Done]] = []

    async def ensure(self, streams: Collection[str], specs: Collection[StreamSpec]) -> None:
        self.ensured.update(streams)

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        if not self.open:
            self._held.append((records, done))
        else:
            self.records += [record for record in records if not self.refuses(record)]
            done(
                [
                    RefusedError("too large") if self.refuses(record) else Position(record.stream, 0, offset)
                    for offset, record in enumerate(records)
                ]
            )
        self.changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def holds(self) -> int:
        return sum(len(records) for records, _ in self._held)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]


@pytest.fixture
async def database(engine: AsyncEngine) -> AsyncIterator[Database]:
    made = Database(engine)
    await made.open(SystemClock())
    yield made
    await made.close()


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
async def start(database: Database, stream: Stream) -> AsyncIterator[Callable[[], Relay]]:
    started: list[Relay] = []

    def start(to: Stream = stream) -> Relay:
        made = Relay("billing", database, to.send, to.ensure, SystemClock())
        made.start()
        started.append(made)
        return made

    yield start
    for one in started:
        await one.halt()


async def put(database: Database, *numbers: int) -> None:
    records = [order_record(Order("ada", n)) for n in numbers]
    await database.door.run(lambda connection: database.outbox("billing").put(connection, records, 0))


async def waiting(database: Database) -> tuple[int, int | None]:
    return await database.door.run(database.outbox("billing").waiting)


def values(*numbers: int) -> list[bytes | None]:
    return [order_record(Order("ada", n)).value for n in numbers]


async def test_rows_are_published_in_order_and_go(
    database: Database, stream: Stream, start: Callable[[], Relay], engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ROWS_MAX", 7)
    await put(database, *range(20))
    running = start()
    await stream.until(lambda: len(stream.records) == 20)
    assert stream.values == values(*range(20))
    assert stream.records[3] == order_record(Order("ada", 3))
    await until_rows(engine, OUTBOX, [(0,)])
    assert running.state.published == 20
    assert await waiting(database) == (0, None)


async def test_what_waits_is_told(database: Database, start: Callable[[], Relay], stream: Stream) -> None:
    stream.open = False
    running = start()
    await put(database, 1, 2)
    running.wake()
    await stream.until(lambda: stream.holds == 2)
    assert await waiting(database) == (2, 0)


async def test_rows_of_another_service_are_left_to_its_relay(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    other = [order_record(Order("bo", 9))]
    await database.door.run(lambda connection: database.outbox("shipping").put(connection, other, 0))
    await put(database, 1)
    start()
    await stream.until(lambda: stream.records)
    await until_rows(engine, "SELECT service FROM tidings_outbox", [("shipping",)])
    assert stream.values == values(1)


async def test_relay_that_dies_before_it_deletes_leaves_all_to_the_next_which_publishes_the_same_again(
    database: Database, stream: Stream, start: Callable[..., Relay], engine: AsyncEngine
) -> None:
    await put(database, 1, 2, 3)
    stream.open = False
    dying = start()
    await stream.until(lambda: stream.holds == 3)
    await dying.halt()
    assert await rows(engine, OUTBOX) == [(3,)]
    after = Stream()
    start(after)
    await after.until(lambda: len(after.records) == 3)
    assert after.records == [order_record(Order("ada", n)) for n in (1, 2, 3)]
    await until_rows(engine, OUTBOX, [(0,)])


async def test_one_relay_publishes_and_another_takes_over_when_it_is_gone(
    database: Database, start: Callable[..., Relay], engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "STANDBY_S", 0.01)
    one, other = Stream(), Stream()
    first = start(one)
    await put(database, 1)
    first.wake()
    await one.until(lambda: one.records)
    second = start(other)
    await put(database, 2)
    first.wake()
    second.wake()
    await one.until(lambda: len(one.records) == 2)
    await until_rows(engine, OUTBOX, [(0,)])
    assert (first.state.is_at_work, second.state.is_at_work) == (True, False)
    await first.halt()
    await put(database, 3)
    second.wake()
    await other.until(lambda: other.records)
    assert other.values == values(3)


async def test_order_per_key_holds_with_two_relays_and_many_transactions(
    database: Database, start: Callable[..., Relay], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both relays are halted and started again while transactions of eight keys run side by side."""
    monkeypatch.setattr(relay, "STANDBY_S", 0.01)
    outbox, keys, count = database.outbox("billing"), 8, 25
    relays = [start(), start()]

    async def write(key: int) -> None:
        for n in range(count):
            record = order_record(Order(f"k-{key}", n), f"{key}-{n}")
            async with database.turn_to_write():
                await database.door.run(partial(outbox.put, records=[record], now_ms=0))
            relays[n % 2].wake()
            if n % 10 == key:
                await relays[key % 2].halt()
                relays[key % 2] = start()

    await asyncio.gather(*(write(key) for key in range(keys)))
    await stream.until(lambda: len({record.value for record in stream.records}) == keys * count)
    for key in range(keys):
        seen = dict.fromkeys(record.value for record in stream.records if record.key == f"k-{key}".encode())
        assert list(seen) == [order_record(Order(f"k-{key}", n)).value for n in range(count)]


async def test_record_that_is_refused_is_a_dead_letter_and_others_go_on(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    stream.refuses = lambda record: record.value == values(2)[0] and record.stream == "db-orders"
    await put(database, 1, 2, 3)
    running = start()
    await until_rows(engine, OUTBOX, [(0,)])
    published = [record for record in stream.records if record.stream == "db-orders"]
    assert [record.value for record in published] == values(1, 3)
    (letter,) = [record for record in stream.records if record.stream == "billing.dead-letters"]
    told = dict(letter.headers)
    assert (letter.value, told["dead_reason"], told["dead_stream"]) == (*values(2), b"refused", b"db-orders")
    assert running.state.refused == 1


async def test_record_that_not_even_the_dead_letters_take_stays_and_holds_up_nobody(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    stream.refuses = lambda record: record.value == values(1)[0]
    await put(database, 1, 2)
    start()
    await stream.until(lambda: stream.records)
    await until_rows(engine, OUTBOX, [(1,)])
    assert stream.values == values(2)


async def test_records_of_a_stream_that_the_broker_will_not_make_are_dead_letters(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine
) -> None:
    async def ensure(streams: Collection[str], specs: Collection[StreamSpec]) -> None:
        if "forbidden" in streams:
            raise RefusedError("not allowed")

    stream.ensure = ensure  # type: ignore[method-assign]
    records = [order_record(Order("ada", 1))._replace(stream="forbidden"), order_record(Order("ada", 2))]
    await database.door.run(lambda connection: database.outbox("billing").put(connection, records, 0))
    start()
    await until_rows(engine, OUTBOX, [(0,)])
    assert sorted(record.stream for record in stream.records) == ["billing.dead-letters", "db-orders"]


async def test_streams_that_cannot_be_made_yet_are_waited_for(
    database: Database, start: Callable[[], Relay], stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "AGAIN_S", 0.01)
    ensure, failures = stream.ensure, [UnavailableError("no broker"), UnavailableError("no broker")]

    async def fail_first(streams: Collection[str], specs: Collection[StreamSpec]) -> None:
        if failures:
            raise failures.pop()
        await ensure(streams, specs)

    stream.ensure = fail_first  # type: ignore[method-assign]
    await put(database, 1)
    start()
    await stream.until(lambda: stream.records)
    assert stream.ensured == {"db-orders"}


async def test_what_was_acknowledged_is_deleted_and_not_published_again_after_the_database_failed(
    database: Database, start: Callable[[], Relay], stream: Stream, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "AGAIN_S", 0.01)
    running = start()
    remove, failures = running._outbox.remove, [ConnectionError("gone"), ConnectionError("gone")]

    def fail_first(connection: object, ids: Collection[int]) -> None:
        if failures:
            raise failures.pop()
        remove(connection, ids)  # type: ignore[arg-type]

    monkeypatch.setattr(running._outbox, "remove", fail_first)
    await put(database, 1, 2)
    running.wake()
    await until_rows(engine, OUTBOX, [(0,)])
    assert stream.values == values(1, 2)


async def test_inbox_forgets_what_is_old(database: Database, start: Callable[[], Relay], engine: AsyncEngine) -> None:
    now_ms = SystemClock().now_ms()
    insert = "INSERT INTO tidings_inbox (service, handler, source, event, handled_ms) VALUES ('{}', 'h', '', '{}', {})"
    old_ms = now_ms - database.remember_ms - 60_000
    async with engine.begin() as connection:
        for service, event, at_ms in (("billing", "old", old_ms), ("billing", "new", now_ms), ("other", "old", old_ms)):
            await connection.exec_driver_sql(insert.format(service, event, at_ms))
    start()
    await until_rows(
        engine, "SELECT service, event FROM tidings_inbox ORDER BY 1", [("billing", "new"), ("other", "old")]
    )
