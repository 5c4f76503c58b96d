"""Tables: a local copy of what another service says, always brought up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tidings import Position, Service, Table, event
from tidings.errors import DeclarationError, TidingsError, UnavailableError
from tidings.events.declaration import EventType
from tidings.service.clock import ManualClock
from tidings.service.tables import following
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
    original = following.row_of

    def noting(declared: EventType[Customer]) -> following.RowOf:
        row_of = original(declared)

        def note(record: Received) -> Row | None:
            read.append(record.offset)
            return row_of(record)

        return note

    monkeypatch.setattr(following, "row_of", noting)
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


# What fields say.


@event("tb-people", key="id")
class Person(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    home_country: str
    balance: Decimal = Decimal(0)
    vip: bool = False
    manager: str | None = None


PEOPLE = (
    Person("ada", "CH", Decimal("5.00"), vip=True),
    Person("bob", "CH", manager="ada"),
    Person("cyd", "FR", Decimal("5.00")),
    Person("dan", "IT"),
)


@pytest.fixture
async def people(shipping: Service) -> AsyncIterator[Table[Person]]:
    table = shipping.table(Person, indexes=["home_country"], history=3)
    async with shipping:
        for person in PEOPLE:
            await table.at(await shipping.emit(person))
        yield table


async def test_events_are_found_by_what_their_fields_say(people: Table[Person]) -> None:
    ada, bob, cyd, dan = PEOPLE
    assert list(people.where(home_country="CH")) == [ada, bob]
    assert list(people.where(balance=Decimal("5.00"))) == [ada, cyd]
    assert list(people.where(home_country="CH", vip=True)) == [ada]
    assert list(people.where(home_country=["FR", "IT"])) == [cyd, dan]
    assert list(people.where(manager=None)) == [ada, cyd, dan]
    assert list(people.where(home_country="US")) == []
    assert list(people.where()) == list(people.values()) == [*PEOPLE]


async def test_found_by_field_follows_what_changes(shipping: Service, people: Table[Person]) -> None:
    await people.at(await shipping.emit(Person("ada", "US")))
    assert [one.id for one in people.where(home_country="CH")] == ["bob"]
    assert [one.id for one in people.where(home_country="US")] == ["ada"]


async def test_condition_on_an_indexed_field_looks_at_no_other_row(people: Table[Person]) -> None:
    plan = people.sql(
        f"EXPLAIN QUERY PLAN SELECT * FROM rows WHERE {people._columns.expression('home_country')} = 'CH'"
    )
    assert "USING INDEX by_home_country" in plan[0]["detail"]


async def test_question_that_no_field_answers_is_refused(people: Table[Person]) -> None:
    with pytest.raises(DeclarationError, match="no field 'country'; it has: id, home_country"):
        people.where(country="CH")
    with pytest.raises(DeclarationError, match="dict is no single value"):
        people.where(balance={})


async def test_fields_are_columns_for_any_sqlite_tool(people: Table[Person]) -> None:
    found = people.sql("SELECT home_country, count(*) AS n FROM Person GROUP BY 1 ORDER BY 1")
    assert [(row["home_country"], row["n"]) for row in found] == [("CH", 2), ("FR", 1), ("IT", 1)]
    assert people.sql("SELECT _key FROM Person WHERE vip AND balance = ?", "5.00")[0]["_key"] == "ada"


async def test_sql_can_only_read(people: Table[Person]) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        people.sql("DELETE FROM rows")
    assert len(people) == 4


async def test_last_versions_of_a_key_are_kept_removal_among_them(
    shipping: Service, people: Table[Person], memory: MemoryBroker
) -> None:
    for country in ("FR", "IT"):
        await people.at(await shipping.emit(Person("ada", country)))
    await people.at(memory.append(Outgoing("tb-people", b"ada", None, [])))
    versions = people.history("ada")
    assert [one.event and one.event.home_country for one in versions] == ["FR", "IT", None]
    assert [one.position.offset for one in versions] == sorted(one.position.offset for one in versions)
    assert len(people.history("bob")) == 1
    assert people.history("nobody") == []


async def test_history_that_is_asked_for_later_is_read_from_the_stream(memory: MemoryBroker) -> None:
    async def run(history: int) -> Table[Customer]:
        service = Service("shipping", transport=memory.transport)
        customers = service.table(Customer, history=history)
        async with service:
            await customers.at(await service.emit(Customer("a", str(history))))
        return customers

    assert (await run(1))["a"].address == "1"
    assert [one.event and one.event.address for one in (await run(2)).history("a")] == ["1", "2"]


async def test_index_that_is_declared_later_is_made_and_one_no_longer_declared_goes(memory: MemoryBroker) -> None:
    def indexes(*fields: str) -> list[str]:
        table = Service("shipping", transport=memory.transport).table(Customer, indexes=fields)
        found = table.sql("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        table.close()
        return [row["name"] for row in found]

    assert indexes() == []
    assert indexes("address") == ["by_address"]
    assert indexes("id") == ["by_id"]


def test_table_is_declared_in_one_way(shipping: Service, customers: Table[Customer]) -> None:
    with pytest.raises(DeclarationError, match="with other indexes, or another history"):
        shipping.table(Customer, indexes=["address"])
    with pytest.raises(DeclarationError, match="no field 'street'"):
        shipping.table(Order, indexes=["street"])
    with pytest.raises(DeclarationError, match="at least one version"):
        shipping.table(Order, history=0)
    with pytest.raises(DeclarationError, match=r"history=10"):
        customers.history("a")
