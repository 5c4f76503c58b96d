"""Handlers of many events at once: what they are given, what they lead to, and who pays when they fail."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from tidings import Batch, EventRecord, Faults, Retry, Service, World, event
from tidings.errors import DeclarationError
from tidings.service.outlet import PARTITIONS
from tidings.service.partitioner import partition_of


@event("bt-orders", key="customer")
class Order(msgspec.Struct, frozen=True):
    id: str
    customer: str = "c"


@event("bt-loaded", key="id")
class Loaded(msgspec.Struct, frozen=True):
    id: str


@pytest.fixture
def warehouse() -> Service:
    return Service("warehouse", workers=4)


def ids(batch: object) -> list[str]:
    assert isinstance(batch, Batch)
    return [order.id for order in batch]


async def emit(world: World, *orders: str) -> None:
    """Each is named after its customer: "a1", "a2"."""
    for order in orders:
        world.emit(Order(order, order[0]))
    await world.settled()


# What they are given.


async def test_as_many_come_together_as_are_there_and_no_more_than_were_asked_for(warehouse: Service) -> None:
    seen: list[list[str]] = []

    @warehouse.on(batch=3)
    async def load(orders: Batch[Order]) -> None:
        seen.append(ids(orders))

    async with World(warehouse, seed=1) as world:
        await emit(world, *(f"a{number}" for number in range(7)))
    assert seen == [["a0", "a1", "a2"], ["a3", "a4", "a5"], ["a6"]]


async def test_few_come_when_the_first_of_them_has_waited_long_enough(warehouse: Service) -> None:
    seen: list[tuple[int, int]] = []

    async with World(warehouse, seed=1) as world:

        @warehouse.on(linger="2s")
        async def load(orders: Batch[Order]) -> None:
            seen.append((len(orders), world.clock.now_ms()))

        await world.stop(warehouse)
        await world.start(warehouse)
        began_ms = world.clock.now_ms()
        world.emit(Order("a1"))
        await world.wait(1)
        world.emit(Order("a2"))
        await world.settled()
    assert [(count, at_ms - began_ms) for count, at_ms in seen] == [(2, 2000)]


async def test_a_batch_is_a_sequence_of_events_and_knows_their_records(warehouse: Service) -> None:
    seen: list[Batch[Order]] = []

    @warehouse.on
    async def load(orders: Batch[Order]) -> None:
        seen.append(orders)

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1", "a2")
    (batch,) = seen
    assert (len(batch), batch[0], batch[-1]) == (2, Order("a1", "a"), Order("a2", "a"))
    assert batch[:1] == [Order("a1", "a")]
    assert [(record.event.id, record.key, record.position.offset) for record in batch.records] == [
        ("a1", b"a", 0),
        ("a2", b"a", 1),
    ]


async def test_handlers_of_batches_may_be_of_any_kind(warehouse: Service) -> None:
    @warehouse.on
    def in_a_thread(orders: Batch[Order]) -> list[Loaded]:
        assert threading.current_thread() is not threading.main_thread()
        return [Loaded(f"thread-{order.id}") for order in orders]

    @warehouse.on
    def generator(orders: Batch[Order]) -> Iterator[Loaded]:
        for order in orders:
            yield Loaded(f"generator-{order.id}")

    @warehouse.on
    async def async_generator(orders: Batch[Order]) -> AsyncIterator[Loaded]:
        for order in orders:
            yield Loaded(f"async-{order.id}")

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1", "a2")
        made = {loaded.id for loaded in world.emitted(Loaded)}
    assert made == {f"{kind}-a{number}" for kind in ("thread", "generator", "async") for number in (1, 2)}


async def test_one_and_many_may_hear_the_same_event(warehouse: Service) -> None:
    seen: list[str] = []

    @warehouse.on
    async def load(orders: Batch[Order]) -> None:
        seen.extend(f"many {order.id}" for order in orders)

    @warehouse.on
    async def note(order: Order) -> None:
        seen.append(f"one {order.id}")

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1", "a2")
        assert world.dead == []
    assert seen == ["one a1", "one a2", "many a1", "many a2"]


# What they lead to.


async def test_what_is_yielded_or_emitted_at_an_event_answers_that_event(warehouse: Service) -> None:
    @warehouse.on
    async def load(orders: Batch[Order]) -> AsyncIterator[Loaded]:
        for order in orders:
            await warehouse.emit(Loaded(f"emitted for {order.id}"))
            yield Loaded(f"yielded for {order.id}")

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1", "b1")
        run = world.run()
        causes = {record.id: record.event.id for record in run.records if isinstance(record.event, Order)}
        answered = {
            record.event.id: causes[record.causation_id or ""]
            for record in run.records
            if isinstance(record.event, Loaded)
        }
    assert answered == {f"{how} for {order}": order for how in ("emitted", "yielded") for order in ("a1", "b1")}


async def test_what_is_returned_answers_the_first(warehouse: Service) -> None:
    @warehouse.on
    async def load(orders: Batch[Order]) -> Loaded:
        return Loaded(f"{len(orders)} orders")

    async with World(warehouse, seed=1) as world:
        first = world.emit(Order("a1"))
        world.emit(Order("a2"))
        run = await first.settled()
    assert run.path == [Order, Loaded]
    assert run.emitted(Loaded) == [Loaded("2 orders")]


async def test_each_event_is_answered_once_whatever_happens(warehouse: Service) -> None:
    order_of: defaultdict[str, list[str]] = defaultdict(list)

    @warehouse.on(batch=4, linger="50ms")
    async def load(orders: Batch[Order]) -> AsyncIterator[Loaded]:
        for order in orders:
            yield Loaded(order.id)

    @warehouse.on
    async def note(loaded: Loaded) -> None:
        order_of[loaded.id[0]].append(loaded.id)

    wanted = [f"{customer}{number}" for number in range(6) for customer in "abc"]
    for seed in range(15):
        faults = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)
        async with World(warehouse, seed=seed, faults=faults) as world:
            await emit(world, *wanted)
            run = world.run()
            assert sorted(loaded.id for loaded in run.emitted(Loaded)) == sorted(wanted)
            assert run.recorded == 2 * len(wanted)


# When they fail.


async def test_a_batch_that_fails_is_tried_again_as_it_was(warehouse: Service) -> None:
    seen: list[list[str]] = []

    @warehouse.on(retry=Retry(3, backoff="1s"))
    async def load(orders: Batch[Order]) -> list[Loaded]:
        seen.append(ids(orders))
        if len(seen) < 3:
            raise ConnectionError("the database is away")
        return [Loaded(order.id) for order in orders]

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1", "a2", "a3")
        assert [loaded.id for loaded in world.emitted(Loaded)] == seen[0]
        assert world.dead == []
    assert len(seen[0]) == 3
    assert seen == [seen[0]] * 3


@pytest.mark.parametrize("poisoned", [{"a0"}, {"a5"}, {"a9"}, {"a2", "a3"}, {f"a{number}" for number in range(10)}])
async def test_the_poisoned_are_found_and_the_others_are_handled(warehouse: Service, poisoned: set[str]) -> None:
    @warehouse.on(retry=Retry(2, backoff="1s", park=False))
    async def load(orders: Batch[Order]) -> AsyncIterator[Loaded]:
        for order in orders:
            yield Loaded(order.id)
            if order.id in poisoned:
                raise ValueError(order.id)

    orders = [f"a{number}" for number in range(10)]
    async with World(warehouse, seed=1) as world:
        await emit(world, *orders)
        assert {letter.event.id for letter in world.dead} == poisoned
        assert {(letter.reason, letter.error, letter.message) for letter in world.dead} == {
            ("failed", "ValueError", order) for order in poisoned
        }
        assert [loaded.id for loaded in world.emitted(Loaded)] == [one for one in orders if one not in poisoned]
        assert world.run().recorded == 20 - len(poisoned)


async def test_what_is_behind_a_poisoned_one_of_its_key_is_parked_and_others_are_handled(warehouse: Service) -> None:
    other = next(key for key in "bcdefghij" if partition_of(key.encode(), PARTITIONS) == partition_of(b"a", PARTITIONS))
    wanted = ["a1", f"{other}1", "a2", "a3", f"{other}2", f"{other}3"]

    @warehouse.on(retry=Retry(1))
    async def load(orders: Batch[Order]) -> AsyncIterator[Loaded]:
        for order in orders:
            yield Loaded(order.id)
            if order.id == "a2":
                raise ValueError(order.id)

    async with World(warehouse, seed=1) as world:
        await emit(world, *wanted)
        assert [(letter.event.id, letter.reason) for letter in world.dead] == [("a2", "failed"), ("a3", "behind")]
        assert [loaded.id for loaded in world.emitted(Loaded)] == [one for one in wanted if one not in ("a2", "a3")]


async def test_others_go_on_while_a_batch_waits_for_its_next_attempt(warehouse: Service) -> None:
    seen: list[list[str]] = []

    @warehouse.on(batch=2, retry=Retry(2, backoff="60s"))
    async def load(orders: Batch[Order]) -> None:
        seen.append(ids(orders))
        if len(seen) == 1:
            raise ConnectionError("try again")

    async with World(warehouse, seed=1) as world:
        for order in ("a1", "a2", "a3"):
            world.emit(Order(order, order[0]))
        await world.wait(1)
        for order in ("b1", "b2"):
            world.emit(Order(order, order[0]))
        await world.wait(1)
        assert seen == [["a1", "a2"], ["b1", "b2"]]
        await world.settled()
    assert seen == [["a1", "a2"], ["b1", "b2"], ["a1", "a2"], ["a3"]]


async def test_what_waits_when_its_service_stops_is_left_to_the_next(warehouse: Service) -> None:
    seen: list[list[str]] = []

    @warehouse.on(linger="10m")
    async def load(orders: Batch[Order]) -> None:
        seen.append(ids(orders))

    async with World(warehouse, seed=1) as world:
        world.emit(Order("a1"))
        await world.wait(1)
        await world.stop(warehouse)
        assert seen == []
        await world.start(warehouse)
        await world.settled()
    assert seen == [["a1"]]


async def test_a_handler_that_is_cancelled_has_failed(warehouse: Service) -> None:
    @warehouse.on(retry=Retry(1))
    async def load(orders: Batch[Order]) -> None:
        raise asyncio.CancelledError("somebody's timeout")

    async with World(warehouse, seed=1) as world:
        await emit(world, "a1")
        assert [letter.error for letter in world.dead] == ["HandlerCancelledError"]


# Declaring.


def test_a_batch_says_how_large_and_how_late_it_may_be(warehouse: Service) -> None:
    @warehouse.on(batch=1000, linger="2s")
    async def load(orders: Batch[Order]) -> Loaded | None: ...

    (handler,) = warehouse.handlers
    assert (handler.batch_max, handler.linger_s) == (1000, 2.0)
    assert [declared.name for declared in handler.reads] == ["Order"]


def test_what_makes_no_sense_is_refused(warehouse: Service) -> None:
    async def one(order: Order) -> None: ...
    async def of_what(orders: Batch) -> None: ...  # type: ignore[type-arg]
    async def with_record(orders: Batch[Order], record: EventRecord[Order]) -> None: ...
    async def many(orders: Batch[Order]) -> None: ...

    for function, options in (
        (one, {"batch": 10}),
        (one, {"linger": "1s"}),
        (of_what, {}),
        (with_record, {}),
        (many, {"batch": 0}),
        (many, {"batch": 5000}),
        (many, {"linger": "soon"}),
        (many, {"linger": "1s..2s"}),
    ):
        with pytest.raises(DeclarationError):
            warehouse.on(**options)(function)
