"""Faults happen, and what survives them survives them; what does not, is found out within some seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tidings import EventRecord, Faults, Service, World, event
from tidings.errors import TidingsError
from tidings.events.position import Position
from tidings.service.commit.at_least_once import Sending
from tidings.service.handled import Handled
from tidings.service.lanes import InHand
from tidings.service.progress import Progress
from tidings.service.transports.base import Mark, Outgoing, Place
from tidings.service.transports.memory import MemoryBroker, MemoryConsumer
from tidings.service.transports.memory.group import MemoryGroup
from tidings.service.transports.memory.transactions import Transaction
from tidings.testing.world_transactor import FaultyTransactor

SEEDS = 60
ALL = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)
EXACTLY_ONCE, AT_LEAST_ONCE = "exactly_once", "at_least_once"


@event("wf-orders", key="customer")
class Ordered(msgspec.Struct, frozen=True):
    id: str
    customer: str


@event("wf-shipments", key="customer")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    customer: str


def counting(delivery: str) -> tuple[Service, list[str]]:
    service = Service("counting", delivery=delivery)
    handled: list[str] = []

    @service.on
    async def handle(order: Ordered) -> Shipped:
        handled.append(order.id)
        return Shipped(order.id, order.customer)

    return service, handled


async def live(seed: int, faults: Faults, delivery: str = EXACTLY_ONCE) -> tuple[World, list[str]]:
    """Twelve orders of three customers through one service."""
    service, handled = counting(delivery)
    async with World(service, seed=seed, faults=faults) as world:
        for n in range(12):
            world.emit(Ordered(f"o-{n:02}", f"c-{n % 3}"))
            if n % 4 == 0:
                await world.wait(0.2)
        run = await world.settled()
        assert sorted(shipped.id for shipped in run.emitted(Shipped)) == [f"o-{n:02}" for n in range(12)]
        assert not run.dead
        if delivery == EXACTLY_ONCE:
            assert len(recorded_shipments(world)) == 12
            assert run.recorded == 24
        return world, handled


def recorded_shipments(world: World) -> list[Shipped]:
    return [msgspec.json.decode(record.value or b"", type=Shipped) for record in world.broker.records("wf-shipments")]


def elapsed_s(world: World) -> float:
    return (world.clock.now_ms() - 1_767_225_600_000) / 1000


@pytest.mark.parametrize("delivery", [EXACTLY_ONCE, AT_LEAST_ONCE])
async def test_without_faults_everything_happens_once(delivery: str) -> None:
    world, handled = await live(1, Faults(), delivery)
    assert len(handled) == 12
    assert world.run().recorded == 24
    assert world.crashes == world.broker.transactions.aborted == 0


@pytest.mark.parametrize("delivery", [EXACTLY_ONCE, AT_LEAST_ONCE])
@pytest.mark.parametrize(
    ("faults", "shows"),
    [
        (Faults(crash=0.1), lambda world, handled: world.crashes and len(handled) > 12),
        (Faults(duplicate=0.5, delay=0.3), lambda world, handled: len(handled) > 12),
        (Faults(delay=0.5), lambda world, handled: len(handled) == 12 and elapsed_s(world) > 2),
        (Faults(rebalance=0.5), lambda world, handled: len(handled) == 12 and elapsed_s(world) > 2),
    ],
    ids=["crash", "duplicate", "delay", "rebalance"],
)
async def test_each_fault_happens_and_nothing_is_lost(faults: Faults, shows: Callable[..., Any], delivery: str) -> None:
    assert any([shows(*await live(seed, faults, delivery)) for seed in range(10)])


@pytest.mark.parametrize("faults", [Faults(crash=0.1), Faults(delay=0.5), Faults(duplicate=0.5, delay=0.3)])
async def test_transactions_come_to_nothing_and_are_made_anew(faults: Faults) -> None:
    """By a crash in the middle, by an answer that never came, by a group that had moved on."""
    assert sum([(await live(seed, faults))[0].broker.transactions.aborted for seed in range(10)]) > 0


async def test_what_is_handled_at_least_once_may_be_recorded_twice_under_one_id() -> None:
    worlds = [(await live(seed, Faults(crash=0.1), AT_LEAST_ONCE))[0] for seed in range(10)]
    assert any(world.run().recorded > 24 for world in worlds)
    assert all(len(world.run().events) == 24 for world in worlds)


async def test_order_of_each_key_is_kept_whatever_happens() -> None:
    for seed in range(20):
        world, _ = await live(seed, ALL)
        for customer in range(3):
            ids = [one.id for one in recorded_shipments(world) if one.customer == f"c-{customer}"]
            assert ids == sorted(ids), f"seed {seed}"


async def test_transaction_of_a_service_that_does_not_come_back_is_over_some_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it had written holds up those who read the stream, but not for ever; and the world waits for that."""

    async def hang(self: FaultyTransactor, step: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(FaultyTransactor, "_after", hang)
    service, _ = counting(EXACTLY_ONCE)
    async with World(service, seed=1) as world:
        world.emit(Ordered("o-1", "c-1"))
        await world.wait(1)
        await world.crash(service)
        began_s = elapsed_s(world)
        run = await world.settled()
        assert run.recorded == 1
        assert world.broker.transactions.aborted == 1
        assert elapsed_s(world) - began_s > 5


# Bugs, made on purpose.


async def first_seed_that_finds_it(faults: Faults = ALL, delivery: str = EXACTLY_ONCE) -> int | None:
    for seed in range(SEEDS):
        try:
            await live(seed, faults, delivery)
        except (AssertionError, TidingsError):
            return seed
    return None


async def test_outputs_that_are_written_before_the_transaction_ends_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    append = MemoryBroker.append

    def append_at_once(self: MemoryBroker, record: Outgoing, transaction: Transaction | None = None) -> Position:
        return append(self, record)

    monkeypatch.setattr(MemoryBroker, "append", append_at_once)
    assert await first_seed_that_finds_it() is not None


async def test_marks_that_move_before_the_transaction_ends_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = MemoryGroup.commit

    def commit_at_once(
        self: MemoryGroup,
        marks: Mapping[Place, Mark],
        member: MemoryConsumer,
        generation: int,
        transaction: Transaction | None = None,
    ) -> None:
        commit(self, marks, member, generation)

    monkeypatch.setattr(MemoryGroup, "commit", commit_at_once)
    assert await first_seed_that_finds_it() is not None


async def test_group_that_listens_to_stale_members_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = MemoryGroup.commit

    def commit_anyway(
        self: MemoryGroup,
        marks: Mapping[Place, Mark],
        member: MemoryConsumer,
        generation: int,
        transaction: Transaction | None = None,
    ) -> None:
        commit(self, marks, member, self.generation, transaction)

    monkeypatch.setattr(MemoryGroup, "commit", commit_anyway)
    assert await first_seed_that_finds_it(Faults(duplicate=0.5, delay=0.3)) is not None


async def test_mark_that_is_read_before_it_is_decided_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryGroup, "is_decided", lambda self, place: True)
    assert await first_seed_that_finds_it(Faults(duplicate=0.5, delay=0.3)) is not None


async def test_watermark_that_does_not_wait_for_the_slowest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "watermark", property(lambda self: self._next))
    assert await first_seed_that_finds_it() is not None


async def test_position_that_is_committed_before_the_emit_is_acknowledged_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def finish_at_once(self: Sending, item: InHand) -> None:
        self._open_outlet().send(item.outputs, lambda outcomes: None)
        self._finish(item, was_over=False)

    monkeypatch.setattr(Sending, "complete", finish_at_once)
    assert await first_seed_that_finds_it(delivery=AT_LEAST_ONCE) is not None


async def test_ids_that_differ_when_the_work_is_done_again_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(range(10_000))
    monkeypatch.setattr(Handled, "next_id", lambda self: str(UUID(int=next(made))))
    assert await first_seed_that_finds_it(delivery=AT_LEAST_ONCE) is not None


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
