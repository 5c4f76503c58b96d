"""A key whose record was given up waits, and comes back in its order: in a world of services, under faults too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.service.parking_desk import drop, edit, outstanding, redrive

from tidings import Batch, Faults, Retry, Service, World, event
from tidings.events.envelope import Headers
from tidings.service.dead_letters import BEHIND, told_by
from tidings.service.parking.letters import ASKED, GIVEN_UP, WAITING
from tidings.service.transports.base import Outgoing


@event("dl-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


@event("dl-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


class Shop:
    """A service whose handler fails for the orders that are poison."""

    def __init__(self, retry: Retry | None = None) -> None:
        self.poison: set[tuple[str, int]] = set()
        self.tried: list[tuple[str, int]] = []
        self.shipping = Service("shipping", retry=retry or Retry(2, backoff="1s"))

        @self.shipping.on
        async def dispatch(order: Order) -> Shipped:
            self.tried.append((order.id, order.n))
            if (order.id, order.n) in self.poison:
                raise ValueError(f"{order.id} {order.n} is poison")
            return Shipped(order.id, order.n)

    def world(self, seed: int = 7, faults: Faults | None = None) -> World:
        return World(self.shipping, seed=seed, faults=faults)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def shipped(world: World) -> dict[str, list[int]]:
    """What was shipped, key by key, as often and in the order that it was."""
    found: dict[str, list[int]] = {}
    for record in world.broker.records("dl-shipments"):
        one = msgspec.json.decode(record.value or b"", type=Shipped)
        found.setdefault(one.id, []).append(one.n)
    return found


def states(world: World) -> list[tuple[str, str]]:
    return [((one.key or b"").decode(), one.state) for one in outstanding(world.broker, "shipping")]


async def test_key_that_fails_is_parked_with_its_successors_and_others_go_on(shop: Shop) -> None:
    shop.poison.add(("a", 1))
    async with shop.world() as world:
        for n in range(4):
            world.emit(Order("a", n))
            world.emit(Order("b", n))
        await world.settled()
        assert shipped(world) == {"a": [0], "b": [0, 1, 2, 3]}
        assert states(world) == [("a", GIVEN_UP), ("a", WAITING), ("a", WAITING)]
        assert ("a", 2) not in shop.tried
        letters = world.broker.records("shipping.dead-letters")
        told = [told_by(letter.headers) for letter in letters]
        assert [one["dead_reason"] for one in told] == ["failed", BEHIND, BEHIND]
        assert told[1]["dead_behind"] == "/".join(
            [told[0][name] for name in ("dead_stream", "dead_partition", "dead_offset")]
        )
        assert [one.reason for one in world.dead] == ["failed", BEHIND, BEHIND]


async def test_redriven_letter_is_handled_and_those_behind_it_follow_in_order(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        for n in range(5):
            world.emit(Order("a", n))
        await world.settled()
        shop.poison.clear()
        assert len(redrive(world.broker, "shipping")) == 1
        await world.settled()
        assert shipped(world) == {"a": [0, 1, 2, 3, 4]}
        assert states(world) == []
        world.emit(Order("a", 5))
        await world.settled()
        assert shipped(world) == {"a": [0, 1, 2, 3, 4, 5]}
        assert len(world.broker.records("shipping.dead-letters")) == 5, "the key is parked no more"


async def test_only_what_was_asked_for_is_tried(shop: Shop) -> None:
    shop.poison |= {("a", 0), ("b", 0)}
    async with shop.world() as world:
        for n in range(2):
            world.emit(Order("a", n))
            world.emit(Order("b", n))
        await world.settled()
        shop.poison.clear()
        redrive(world.broker, "shipping", lambda letter: letter.key == b"b")
        await world.settled()
        assert shipped(world) == {"b": [0, 1]}
        assert states(world) == [("a", GIVEN_UP), ("a", WAITING)]


async def test_letter_that_fails_again_stays_with_its_attempts_counted(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        world.emit(Order("a", 0))
        world.emit(Order("a", 1))
        await world.settled()
        redrive(world.broker, "shipping")
        await world.settled()
        first, second = outstanding(world.broker, "shipping")
        assert (first.state, first.attempts) == (GIVEN_UP, 4)
        assert first.tried is not None
        assert (first.tried.error, first.tried.message) == ("ValueError", "a 0 is poison")
        assert "is poison" in first.tried.traceback
        assert second.state == WAITING
        assert shipped(world) == {}


async def test_successor_that_fails_in_its_turn_holds_those_behind_it(shop: Shop) -> None:
    shop.poison |= {("a", 0), ("a", 2)}
    async with shop.world() as world:
        for n in range(4):
            world.emit(Order("a", n))
        await world.settled()
        shop.poison.discard(("a", 0))
        redrive(world.broker, "shipping")
        await world.settled()
        assert shipped(world) == {"a": [0, 1]}
        assert states(world) == [("a", GIVEN_UP), ("a", WAITING)]
        shop.poison.clear()
        redrive(world.broker, "shipping")
        await world.settled()
        assert shipped(world) == {"a": [0, 1, 2, 3]}


async def test_dropped_letter_is_not_handled_and_its_successors_go_on(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        for n in range(3):
            world.emit(Order("a", n))
        await world.settled()
        drop(world.broker, "shipping", outstanding(world.broker, "shipping")[0])
        await world.settled()
        assert shipped(world) == {"a": [1, 2]}
        assert states(world) == []


async def test_edited_letter_is_handled_with_its_new_value(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        world.emit(Order("a", 0))
        await world.settled()
        edit(world.broker, "shipping", outstanding(world.broker, "shipping")[0], b'{"id":"a","n":99}')
        await world.settled()
        assert shipped(world) == {}, "an edit asks for nothing"
        redrive(world.broker, "shipping")
        await world.settled()
        assert shipped(world) == {"a": [99]}
        (order,) = [one for part in world.broker.streams["dl-orders"].partitions for one in records(part)]
        assert order.value == b'{"id":"a","n":0}'


def records(partition: Any) -> list[Any]:
    found, _ = partition.readable(0)
    return list(found)


async def test_parked_key_stays_parked_over_a_restart_and_a_crash(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        world.emit(Order("a", 0))
        await world.settled()
        await world.stop(shop.shipping)
        world.emit(Order("a", 1))
        await world.start(shop.shipping)
        await world.settled()
        await world.crash(shop.shipping)
        world.emit(Order("a", 2))
        world.emit(Order("b", 0))
        await world.start(shop.shipping)
        await world.settled()
        assert shipped(world) == {"b": [0]}
        assert states(world) == [("a", GIVEN_UP), ("a", WAITING), ("a", WAITING)]


async def test_what_was_asked_for_while_nobody_ran_is_done_at_the_start(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        world.emit(Order("a", 0))
        world.emit(Order("a", 1))
        await world.settled()
        await world.crash(shop.shipping)
        shop.poison.clear()
        redrive(world.broker, "shipping")
        assert states(world) == [("a", ASKED), ("a", WAITING)]
        await world.start(shop.shipping)
        await world.settled()
        assert shipped(world) == {"a": [0, 1]}


async def test_record_that_cannot_be_read_parks_its_key_too(shop: Shop) -> None:
    async with shop.world() as world:
        world.emit(Order("a", 0))
        garbled(world, "a")
        world.emit(Order("a", 1))
        world.emit(Order("b", 1))
        await world.settled()
        assert shipped(world) == {"a": [0], "b": [1]}
        (letter, _) = outstanding(world.broker, "shipping")
        assert (letter.reason, letter.handlers) == ("undecodable", ())
        edit(world.broker, "shipping", letter, b'{"id":"a","n":50}')
        redrive(world.broker, "shipping")
        await world.settled()
        assert shipped(world) == {"a": [0, 50, 1], "b": [1]}


def garbled(world: World, key: str) -> None:
    headers: Headers = [("ce_type", b"Order"), ("ce_id", b"garbled")]
    world.broker.append(Outgoing("dl-orders", key.encode(), b"{oops", headers))


async def test_handler_for_which_order_does_not_matter_parks_nothing() -> None:
    shop = Shop(Retry(1, park=False))
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        world.emit(Order("a", 0))
        garbled(world, "a")
        world.emit(Order("a", 1))
        await world.settled()
        assert shipped(world) == {"a": [1]}
        assert states(world) == [("a", GIVEN_UP), ("a", GIVEN_UP)]
        shop.poison.clear()
        redrive(world.broker, "shipping", lambda letter: letter.reason == "failed")
        await world.settled()
        assert shipped(world) == {"a": [1, 0]}


async def test_only_the_handler_that_gave_up_is_called_again() -> None:
    service = Service("shipping", retry=Retry(1))
    calls: list[tuple[str, int]] = []
    poison = {("second", 0), ("second", 1)}

    @service.on
    async def first(order: Order) -> None:
        calls.append(("first", order.n))

    @service.on
    async def second(order: Order) -> None:
        calls.append(("second", order.n))
        if ("second", order.n) in poison:
            raise ValueError

    async with World(service, seed=3) as world:
        world.emit(Order("a", 0))
        world.emit(Order("a", 1))
        await world.settled()
        poison.discard(("second", 0))
        redrive(world.broker, "shipping")
        await world.settled()
        poison.clear()
        redrive(world.broker, "shipping")
        await world.settled()
    assert calls == [
        ("first", 0), ("second", 0), ("second", 0),
        ("first", 1), ("second", 1), ("second", 1),
    ]  # fmt: skip


async def test_pace_is_kept(shop: Shop) -> None:
    shop.poison.add(("a", 0))
    async with shop.world() as world:
        for n in range(10):
            world.emit(Order("a", n))
        await world.settled()
        shop.poison.clear()
        before_ms = world.clock.now_ms()
        redrive(world.broker, "shipping", per_s=2)
        await world.wait(2)
        assert 2 <= len(shipped(world)["a"]) <= 5
        await world.wait(10)
        await world.settled()
        assert shipped(world) == {"a": list(range(10))}
        assert world.clock.now_ms() - before_ms >= 5_000


async def test_handler_that_keeps_no_order_parks_nothing() -> None:
    service = Service("shipping", retry=Retry(1))
    poison: set[int] = {0}
    done: list[int] = []

    @service.on(ordered=False)
    async def dispatch(order: Order) -> None:
        if order.n in poison:
            raise ValueError
        done.append(order.n)

    async with World(service, seed=3) as world:
        for n in range(3):
            world.emit(Order("a", n))
        await world.settled()
        assert sorted(done) == [1, 2]
        poison.clear()
        assert world.redrive(service) == 1
        await world.settled()
        assert sorted(done) == [0, 1, 2]
        assert states(world) == []


async def test_letters_of_a_handler_of_batches_come_back_in_order() -> None:
    service = Service("shipping", retry=Retry(1))
    poison: set[int] = {0}
    done: list[int] = []

    @service.on
    async def dispatch(orders: Batch[Order]) -> None:
        if any(order.n in poison for order in orders):
            raise ValueError
        done.extend(order.n for order in orders)

    async with World(service, seed=3) as world:
        world.emit(Order("a", 0))
        await world.settled()
        for n in range(1, 5):
            world.emit(Order("a", n))
        await world.settled()
        assert done == []
        poison.clear()
        world.redrive(service)
        await world.settled()
        assert done == [0, 1, 2, 3, 4]
        assert states(world) == []


@pytest.mark.parametrize("seed", range(40))
async def test_nothing_is_lost_doubled_or_overtaken_whatever_happens(seed: int) -> None:
    shop = Shop(Retry(2, backoff="100ms"))
    keys = "abcd"
    shop.poison |= {(key, n) for key in "ab" for n in (1 + seed % 3, 4)}
    faults = Faults(crash=0.01, duplicate=0.1, delay=0.1, rebalance=0.02)
    async with shop.world(seed, faults) as world:
        for n in range(8):
            for key in keys:
                world.emit(Order(key, n))
            if n == 5:
                await world.settled()
                redrive(world.broker, "shipping")  # in vain
        await world.settled()
        for key in "ab":
            assert shipped(world)[key] == list(range(1 + seed % 3))
        shop.poison.clear()
        while redrive(world.broker, "shipping"):
            await world.settled()
        assert states(world) == []
        for key in keys:
            assert shipped(world)[key] == list(range(8))
