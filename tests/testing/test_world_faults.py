"""Faults happen, and what survives them survives them; what does not, is found out within some seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tidings import EventRecord, Faults, Service, World, event
from tidings.errors import TidingsError
from tidings.service.dispatcher import InHand
from tidings.service.handling import Handling
from tidings.service.progress import Progress

SEEDS = 60
ALL = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)


@event("wf-orders", key="customer")
class Ordered(msgspec.Struct, frozen=True):
    id: str
    customer: str


@event("wf-shipments", key="customer")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    customer: str


def counting() -> tuple[Service, list[str]]:
    service = Service("counting")
    handled: list[str] = []

    @service.on
    async def handle(order: Ordered) -> Shipped:
        handled.append(order.id)
        return Shipped(order.id, order.customer)

    return service, handled


async def live(seed: int, faults: Faults) -> tuple[World, list[str]]:
    """Twelve orders of three customers through one service."""
    service, handled = counting()
    async with World(service, seed=seed, faults=faults) as world:
        for n in range(12):
            world.emit(Ordered(f"o-{n:02}", f"c-{n % 3}"))
            if n % 4 == 0:
                await world.wait(0.2)
        run = await world.settled()
        assert sorted(shipped.id for shipped in run.emitted(Shipped)) == [f"o-{n:02}" for n in range(12)]
        assert not run.dead
        return world, handled


async def test_without_faults_everything_happens_once() -> None:
    world, handled = await live(1, Faults())
    assert len(handled) == 12
    assert world.run().recorded == 24
    assert world.crashes == 0


@pytest.mark.parametrize(
    ("faults", "shows"),
    [
        (Faults(crash=0.1), lambda world, handled: world.crashes and len(handled) > 12 and world.run().recorded > 24),
        (Faults(duplicate=0.5), lambda world, handled: len(handled) > 12),
        (Faults(delay=0.5), lambda world, handled: len(handled) == 12 and elapsed_s(world) > 2),
        (Faults(rebalance=0.5), lambda world, handled: len(handled) == 12 and elapsed_s(world) > 2),
    ],
    ids=["crash", "duplicate", "delay", "rebalance"],
)
async def test_each_fault_happens_and_nothing_is_lost(faults: Faults, shows: Callable[..., Any]) -> None:
    assert any([shows(*await live(seed, faults)) for seed in range(10)])


def elapsed_s(world: World) -> float:
    return (world.clock.now_ms() - 1_767_225_600_000) / 1000


async def test_order_of_each_key_is_kept_whatever_happens() -> None:
    for seed in range(20):
        world, _ = await live(seed, ALL)
        for customer in range(3):
            firsts = [one.id for one in world.emitted(Shipped) if one.customer == f"c-{customer}"]
            recorded = list(
                dict.fromkeys(one.id for one in recorded_shipments(world) if one.customer == f"c-{customer}")
            )
            assert recorded == sorted(firsts), f"seed {seed}"


def recorded_shipments(world: World) -> list[Shipped]:
    return [msgspec.json.decode(record.value or b"", type=Shipped) for record in world.broker.records("wf-shipments")]


# Bugs, made on purpose.


async def first_seed_that_finds_it(faults: Faults = ALL) -> int | None:
    for seed in range(SEEDS):
        try:
            await live(seed, faults)
        except (AssertionError, TidingsError):
            return seed
    return None


async def test_position_that_is_committed_before_the_emit_is_acknowledged_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end_at_once(self: Handling, item: InHand) -> None:
        self.finish(item)

    monkeypatch.setattr(Handling, "_end", end_at_once)
    assert await first_seed_that_finds_it() is not None


async def test_watermark_that_does_not_wait_for_the_slowest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "watermark", property(lambda self: self._next))
    assert await first_seed_that_finds_it() is not None


async def test_ids_that_differ_when_the_work_is_done_again_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(range(10_000))
    monkeypatch.setattr("tidings.service.handled.derived_id", lambda *origin: f"id-{next(made)}")
    assert await first_seed_that_finds_it() is not None


async def test_handler_that_is_not_idempotent_is_found() -> None:
    """The bug most users will have: work beside the log, done once per delivery and not once per event."""
    stock = 12
    service = Service("stock")

    @service.on
    async def take(order: Ordered, record: EventRecord[Any]) -> None:
        nonlocal stock
        stock -= 1

    for seed in range(SEEDS):
        stock = 1
        async with World(service, seed=seed, faults=Faults(duplicate=0.2)) as world:
            await world.emit(Ordered("o-1", "c-1")).settled()
        if stock < 0:
            return
    pytest.fail("no seed delivered an event twice")
