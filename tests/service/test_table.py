"""Tables: a local copy of what another service says, always brought up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tidings import Position, Service, Table, event
from tidings.errors import TidingsError, UnavailableError
from tidings.service.clock import ManualClock
from tidings.service.tables.replica import Row
from tidings.service.transports.base import Outgoing, Received
from tidings.service.transports.memory import MemoryBroker

Until = Callable[[Callable[[], object]], Awaitable[None]]


@event("tb-customers", key="id")
class Customer(msgspec.Struct, frozen=True):
    id: str
    address: str = ""


@event("tb-carts", key="id")
@dataclass
class Cart:
    id: int
    items: list[str]


@event("tb-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    customer: str


@pytest.fixture
def shipping(memory: MemoryBroker, clock: ManualClock) -> Service:
    return Service("shipping", transport=memory.transport, clock=clock)


@pytest.fixture
def customers(shipping: Service) -> Table[Customer]:
    return shipping.table(Customer)


async def test_table_is_read_like_a_dictionary(shipping: Service, customers: Table[Customer]) -> None:
    async with shipping:
        for key in ("b", "a", "c"):
            position = await shipping.emit(Customer(key, f"{key} street"))
            await customers.at(position)
        assert customers["a"] == Customer("a", "a street")
        assert customers.get("b") == Customer("b", "b street")
        assert customers.get("x") is None
        assert customers.get("x", "nobody") == "nobody"
        assert "a" in customers
        assert "x" not in customers
        assert len(customers) == 3
        assert list(customers) == list(customers.keys()) == ["a", "b", "c"]
        assert list(customers.values()) == [Customer(key, f"{key} street") for key in "abc"]
        assert dict(customers.items())["c"] == Customer("c", "c street")
        with pytest.raises(KeyError, match="x"):
            customers["x"]


async def test_latest_event_of_a_key_counts_and_one_without_a_value_removes_it(
    shipping: Service, customers: Table[Customer], memory: MemoryBroker
) -> None:
    async with shipping:
        await shipping.emit(Customer("a", "old"))
        changed = await customers.at(await shipping.emit(Customer("a", "new")))
        assert changed["a"].address == "new"
        await customers.at(memory.append(Outgoing("tb-customers", b"a", None, [])))
        assert "a" not in customers
        assert len(customers) == 0


async def test_one_reads_what_one_wrote(shipping: Service, customers: Table[Customer]) -> None:
    async with shipping:
        for n in range(50):
            position = await shipping.emit(Customer("a", str(n)))
            assert (await customers.at(position))["a"].address == str(n)


async def test_thread_reads_what_it_wrote(shipping: Service, customers: Table[Customer]) -> None:
    def write_and_read() -> None:
        position = shipping.emit_sync(Customer("a", "here"))
        assert customers.at(position)["a"].address == "here"
        assert customers.get("a", at=position) == Customer("a", "here")
        assert customers.at(position).get("b") is None

    async with shipping:
        await asyncio.to_thread(write_and_read)


async def test_waiting_on_the_event_loop_is_refused_not_a_deadlock(
    shipping: Service, customers: Table[Customer]
) -> None:
    async with shipping:
        with pytest.raises(RuntimeError, match=r"await table\.at"):
            customers.get("a", at=Position("tb-customers", 0, 99))


async def test_position_that_does_not_come_is_waited_for_no_longer_than_asked(
    shipping: Service, customers: Table[Customer]
) -> None:
    nowhere = Position("tb-customers", 0, 99)
    async with shipping:
        with pytest.raises(UnavailableError, match=r"did not reach tb-customers/0/99 within 0\.01 s"):
            await customers.at(nowhere, timeout_s=0.01)
        with pytest.raises(UnavailableError):
            await asyncio.to_thread(lambda: customers.at(nowhere, timeout_s=0.01)["a"])
        with pytest.raises(TidingsError, match="is not in tb-customers"):
            await customers.at(Position("elsewhere", 0, 0))


async def test_handlers_begin_once_tables_have_caught_up(
    shipping: Service, customers: Table[Customer], memory: MemoryBroker, until: Until
) -> None:
    found: list[str] = []

    @shipping.on
    async def dispatch(order: Order, injected: Table[Customer]) -> None:
        assert injected is customers
        found.append(customers[order.customer].address)
        memory.wake()

    seller = Service("seller", transport=memory.transport)
    async with seller:
        for n in range(2_000):
            await seller.emit(Customer(f"c-{n}", f"{n} street"))
        await seller.emit(Order("o-1", "c-1999"))
    async with shipping:
        await until(lambda: found)
    assert found == ["1999 street"]


async def test_table_goes_on_from_its_position_after_a_restart(
    memory: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = Table._row_of

    def noting(self: Table[Customer], record: Received) -> Row | None:
        read.append(record.offset)
        return original(self, record)

    monkeypatch.setattr(Table, "_row_of", noting)
    for start in range(3):
        service = Service("shipping", transport=memory.transport)
        customers = service.table(Customer)
        async with service:
            assert len(customers) == start
            await customers.at(await service.emit(Customer(f"c-{start}")))
            assert len(customers) == start + 1
    assert len(read) == 3


async def test_stream_that_was_made_anew_is_read_anew(memory: MemoryBroker) -> None:
    async def run(key: str) -> list[str | bytes]:
        service = Service("shipping", transport=memory.transport)
        customers = service.table(Customer)
        async with service:
            await customers.at(await service.emit(Customer(key)))
            return list(customers)

    assert await run("old") == ["old"]
    memory.delete("tb-customers")
    assert await run("new") == ["new"]


async def test_row_and_position_are_in_one_file_that_any_sqlite_tool_reads(
    shipping: Service, customers: Table[Customer], state_folder: Path
) -> None:
    async with shipping:
        position = await shipping.emit(Customer("a", "here"))
        await customers.at(position)
        assert customers.path == state_folder / "shipping" / "tb-customers.Customer.db"
        looking = sqlite3.connect(customers.path)
        rows = looking.execute("SELECT key, value, partition, offset FROM rows").fetchall()
        positions = dict(looking.execute("SELECT partition, next_offset FROM positions"))
        looking.close()
    assert rows == [("a", '{"id":"a","address":"here"}', position.partition, position.offset)]
    assert positions[position.partition] == position.offset + 1


async def test_undecodable_record_is_a_dead_letter_and_the_row_stays(
    shipping: Service, customers: Table[Customer], memory: MemoryBroker
) -> None:
    async with shipping:
        await shipping.emit(Customer("a", "good"))
        await customers.at(memory.append(Outgoing("tb-customers", b"a", b"rubbish", [])))
        await customers.at(memory.append(Outgoing("tb-customers", None, b'{"id": "b"}', [])))
        assert customers["a"].address == "good"
        assert len(customers) == 1
    letters = memory.records("shipping.dead-letters")
    assert [letter.value for letter in letters] == [b"rubbish", b'{"id": "b"}']
    assert ("dead_message", b"a table's record has no key") in (letters[1].headers or ())


async def test_event_that_can_be_changed_is_not_shared_between_readers(shipping: Service) -> None:
    carts = shipping.table(Cart)
    async with shipping:
        await carts.at(await shipping.emit(Cart(7, ["bread"])))
        carts[7].items.append("butter")
        assert carts[7].items == ["bread"]


async def test_changed_row_is_seen_by_the_next_reader_however_often_it_was_read(
    shipping: Service, customers: Table[Customer]
) -> None:
    async with shipping:
        for n in range(20):
            position = await shipping.emit(Customer("a", str(n)))
            customers.get("a")
            await customers.at(position)
            assert customers["a"].address == customers["a"].address == str(n)


def test_table_can_be_read_while_its_service_does_not_run(memory: MemoryBroker) -> None:
    async def fill() -> None:
        service = Service("shipping", transport=memory.transport)
        customers = service.table(Customer)
        async with service:
            await customers.at(await service.emit(Customer("a", "here")))

    asyncio.run(fill())
    offline = Service("shipping", transport=memory.transport).table(Customer)
    assert offline["a"].address == "here"
    offline.close()


def test_same_type_has_one_table(shipping: Service, customers: Table[Customer]) -> None:
    assert shipping.table(Customer) is customers


async def test_broker_that_goes_away_leaves_the_table_readable(
    shipping: Service, customers: Table[Customer], memory: MemoryBroker
) -> None:
    async with shipping:
        await customers.at(await shipping.emit(Customer("a", "here")))
        memory.go_away()
        assert customers["a"].address == "here"
        memory.come_back()
        assert (await customers.at(await shipping.emit(Customer("a", "there"))))["a"].address == "there"
