"""Services that fail, dawdle, stop and start, in worlds of all faults: the streams hold exactly what they must.

Each seed is another workload under other faults. The seeds are drawn anew each time; one that fails is in the notes of
the failure (`World(…, seed=…)`), and `TIDINGS_SEED` tries it again.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from random import Random
from typing import Any

import msgspec
import pytest

from tidings import Batch, Faults, Retry, Service, World, event

SEEDS = 12
EARLY = -1
"""The part that a handler emits before it knows whether it will succeed."""


@event("si-orders", key="key")
class Ordered(msgspec.Struct, frozen=True):
    key: str
    n: int


@event("si-parts", key="key")
class Packed(msgspec.Struct, frozen=True):
    key: str
    n: int
    part: int


@event("si-shipments", key="key")
class Shipped(msgspec.Struct, frozen=True):
    key: str
    n: int
    part: int


class Workload:
    """Two services in a row, and orders for them, all as a seed will have it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(f"workload {seed}")
        pick = self.chance.choice
        self.faults = Faults(pick([0, 0.02, 0.1]), pick([0, 0.1, 0.5]), pick([0, 0.1, 0.4]), pick([0, 0.05, 0.3]))
        self.orders = [Ordered(f"k{n % pick([2, 5, 9])}", n) for n in range(pick([10, 40, 120]))]
        self.packing = Service("packing", workers=pick([1, 4, 32]), retry=Retry(8, backoff="100ms..2s"))
        self.shipping = Service("shipping", workers=pick([1, 32]), retry=Retry(8, backoff="100ms..2s"))
        self.failures: Counter[int] = Counter()
        """How often an order could not be packed; or so many parts not be shipped."""
        self.packing.on(self.pack)
        if pick([True, False]):
            self.shipping.on(self.ship)
        else:
            self.shipping.on(self.ship_many)

    async def pack(self, order: Ordered) -> list[Packed]:
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.random() * self.chance.choice([3, 3, 3, 40]))
        if is_hopeless(order.n):
            await self.packing.emit(Packed(order.key, order.n, EARLY))
            raise ValueError("nobody can pack this")
        if self.failures[order.n] < 6 and self.chance.random() < 0.3:
            self.failures[order.n] += 1
            await self.packing.emit(Packed(order.key, order.n, EARLY))
            raise ConnectionError("not yet")
        return [Packed(order.key, order.n, part) for part in range(parts_of(order.n))]

    async def ship(self, packed: Packed) -> Shipped | None:
        return Shipped(packed.key, packed.n, packed.part) if packed.n % 5 else None

    async def ship_many(self, batch: Batch[Packed]) -> list[Shipped]:
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.random() * 3)
        if self.chance.random() < 0.2 and self.failures[len(batch)] < 3:
            self.failures[len(batch)] += 1
            raise ConnectionError("not yet")
        return [Shipped(one.key, one.n, one.part) for one in batch if one.n % 5]

    async def live(self) -> World:
        async with World(self.packing, self.shipping, seed=self.seed, faults=self.faults) as world:
            for order in self.orders:
                world.emit(order)
                if self.chance.random() < 0.1:
                    await world.wait(self.chance.random())
                if self.chance.random() < 0.03:
                    await self.interrupt(world)
            await world.settled(within_s=20_000)
            self.check(world)
            return world

    async def interrupt(self, world: World) -> None:
        if self.chance.random() < 0.7:
            await world.stop(self.packing)
        else:
            await world.crash(self.packing)
        await world.start(self.packing)

    def check(self, world: World) -> None:
        given_up, hopeful = self.given_up()
        parts = Counter((n, part) for n in hopeful for part in range(parts_of(n)))
        packed, shipped = read(world, "si-parts", Packed), read(world, "si-shipments", Shipped)
        assert Counter((one.n, one.part) for one in packed) == parts
        assert Counter((one.n, one.part) for one in shipped) == Counter(one for one in parts if one[0] % 5)
        assert Counter(one.n for one in read(world, "packing.dead-letters", Ordered)) == Counter(given_up)
        for stream in (packed, shipped):
            of_key = defaultdict(list)
            for one in stream:
                of_key[one.key].append((one.n, one.part))
            assert all(found == sorted(found) for found in of_key.values())

    def given_up(self) -> tuple[list[int], list[int]]:
        """The orders that end as dead letters: hopeless ones, and what is parked behind them; and all others."""
        parked: set[str] = set()
        given_up: list[int] = []
        hopeful: list[int] = []
        for order in self.orders:
            if is_hopeless(order.n):
                parked.add(order.key)
            (given_up if order.key in parked else hopeful).append(order.n)
        return given_up, hopeful


def is_hopeless(n: int) -> bool:
    return n % 29 == 5


def parts_of(n: int) -> int:
    return n * 7 % 4


def read(world: World, stream: str, cls: type[Any]) -> list[Any]:
    return [msgspec.json.decode(record.value or b"", type=cls) for record in world.broker.records(stream)]


@pytest.mark.timeout(300)
async def test_streams_hold_exactly_what_they_must_whatever_happens() -> None:
    asked = os.environ.get("TIDINGS_SEED")
    for seed in [int(asked)] if asked else [Random().getrandbits(32) for _ in range(SEEDS)]:
        await Workload(seed).live()


async def test_same_seed_is_the_same_history() -> None:
    first, second = [await Workload(5).live() for _ in range(2)]
    assert first.broker.log == second.broker.log
    assert (first.crashes, first.clock.now_ms()) == (second.crashes, second.clock.now_ms())
