"""A service is moved into other surroundings, and stopped dead: what simulated worlds are built on."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tidings import Service, event
from tidings.errors import DeclarationError
from tidings.service.clock import ManualClock
from tidings.service.surroundings import Surroundings
from tidings.service.transports.base import Mark, Place
from tidings.service.transports.memory import MemoryBroker, MemoryConsumer

Until = Callable[[Callable[[], object]], Awaitable[None]]


@event("su-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str


def committed(memory: MemoryBroker) -> int:
    return sum(memory.groups["shipping"].offsets.values())


async def test_moved_service_works_there_and_finds_itself_back_where_it_was(tmp_path: Path, clock: ManualClock) -> None:
    home, away = MemoryBroker(clock), MemoryBroker(clock)
    shipping = Service("shipping", transport=home.transport, clock=clock)
    orders = shipping.table(Order)
    before = shipping.move(Surroundings(away.transport, clock, lambda: tmp_path / "away", lambda now_ms: "an-id"))
    async with shipping:
        position = await shipping.emit(Order("o-1"))
        await orders.at(position)
        assert orders.path.is_relative_to(tmp_path / "away" / "shipping")
    assert dict(away.records("su-orders")[0].headers or ())["ce_id"] == b"an-id"
    shipping.move(before)
    async with shipping:
        assert len(orders) == 0
    assert not home.records("su-orders")


async def test_service_in_use_is_not_moved(memory: MemoryBroker, clock: ManualClock) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)
    async with shipping:
        with pytest.raises(DeclarationError, match="stop it before"):
            shipping.move(Surroundings(memory.transport, clock))
    await shipping.emit(Order("o-1"))
    with pytest.raises(DeclarationError, match="stop it before"):
        shipping.move(Surroundings(memory.transport, clock))
    await shipping.stop()
    shipping.move(Surroundings(memory.transport, clock))


async def test_halted_service_finishes_and_commits_nothing(
    memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)
    begun: list[str] = []
    ended: list[str] = []

    @shipping.on
    async def dispatch(order: Order) -> None:
        begun.append(order.id)
        await asyncio.Event().wait()
        ended.append(order.id)

    await shipping.start()
    assert shipping.ready
    for n in range(3):
        await shipping.emit(Order(f"o-{n}"))
    await until(lambda: len(begun) == 3)
    assert shipping.in_hand == 3
    await shipping.halt()
    assert not shipping.ready
    assert shipping.in_hand == 0
    clock.advance(10)
    assert ended == []
    assert committed(memory) == 0


class Bystander:
    """An owner that takes its time to let go."""

    def __init__(self) -> None:
        self.may_go = asyncio.Event()

    def assigned(self, places: object) -> None:
        pass

    async def revoked(self, places: object) -> dict[Place, Mark]:
        await self.may_go.wait()
        return {}

    def lost(self, places: object) -> None:
        pass


async def test_member_that_crashes_while_it_hands_over_is_gone_for_good(memory: MemoryBroker) -> None:
    memory.create("su-many", 4)
    transport = memory.transport()
    first_owner = Bystander()
    first = transport.consumer("g", ["su-many"], first_owner)
    await first.join()
    second, third = (transport.consumer("g", ["su-many"], Bystander()) for _ in range(2))
    joining = [asyncio.create_task(member.join()) for member in (second, third)]
    polling = asyncio.create_task(first.poll())
    await asyncio.sleep(0)
    first.crash()
    first_owner.may_go.set()
    second.owner.may_go.set()  # type: ignore[attr-defined]
    await asyncio.gather(*joining)
    memory.wake()
    await asyncio.sleep(0)
    assert owned(second) | owned(third) == {("su-many", partition) for partition in range(4)}
    assert memory.groups["g"].members == [second, third]
    polling.cancel()


def owned(member: MemoryConsumer) -> set[tuple[str, int]]:
    return set(member.positions)


def test_timer_rings_in_the_context_it_was_set_in(clock: ManualClock) -> None:
    where = contextvars.ContextVar("where", default="outside")
    heard: list[str] = []

    def set_timer() -> None:
        where.set("inside")
        clock.call_later(1, lambda: heard.append(where.get()))

    contextvars.copy_context().run(set_timer)
    clock.advance(1)
    assert heard == ["inside"]
