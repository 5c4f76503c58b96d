"""A group in memory: who is in it, who has which partitions, and how far each of them is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING

from tidings.service.transports.base import Mark, Place, StaleError

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker
    from tidings.service.transports.memory.consumer import MemoryConsumer
    from tidings.service.transports.memory.transactions import Transaction


class MemoryGroup:
    def __init__(self, name: str) -> None:
        self.name = name
        self.members: list[MemoryConsumer] = []
        self.marks: dict[Place, Mark] = {}
        self.generation = 0
        """Raised whenever partitions change hands: what belongs to an earlier one comes too late."""
        self.changing = asyncio.Lock()
        self._undecided: dict[Transaction, Mapping[Place, Mark]] = {}
        self._slots: set[int] = set()

    @property
    def offsets(self) -> dict[Place, int]:
        """How far each partition is done, without what is done beyond that."""
        return {place: mark.offset for place, mark in self.marks.items()}

    # Positions.

    def commit(
        self,
        marks: Mapping[Place, Mark],
        member: MemoryConsumer,
        generation: int,
        transaction: Transaction | None = None,
    ) -> None:
        """Move positions, now or when the transaction is committed. Raises StaleError (KIP-447)."""
        if member not in self.members or generation != self.generation:
            raise StaleError(f"generation {generation} of {self.name} is over; this is {self.generation}")
        if transaction is None:
            self.marks.update(marks)
        else:
            transaction.check()
            transaction.enlist(self)
            self._undecided[transaction] = dict(marks)

    def ended(self, transaction: Transaction) -> None:
        marks = self._undecided.pop(transaction)
        if transaction.is_committed:
            self.marks.update(marks)

    def is_decided(self, place: Place) -> bool:
        """Whether no open transaction is about to move this position: only then may it be read."""
        return not any(place in marks for marks in self._undecided.values())

    # Members.

    def next_generation(self) -> None:
        self.generation += 1
        for member in self.members:
            member.generation = self.generation

    async def rebalance(self, broker: MemoryBroker) -> None:
        """Deal the partitions out anew, each member keeping what it still should have (as cooperative assignors do)."""
        async with self.changing:
            wanted = _deal(broker, self.members)
            for member, places in wanted.items():
                if going := [place for place in member.positions if place not in places]:
                    await member.hand_over(going)
            self.next_generation()
            for member, places in wanted.items():
                coming = [place for place in places if place not in member.positions]
                while not all(self.is_decided(place) for place in coming):
                    await broker.change()
                if coming and member in self.members:  # it may be gone since
                    member.take(coming)
        broker.wake()

    # Transactional ids.

    def take_slot(self) -> int:
        """The lowest number that no member has: who starts again after a crash gets that of its predecessor."""
        slot = next(slot for slot in count() if slot not in self._slots)
        self._slots.add(slot)
        return slot

    def free_slot(self, slot: int) -> None:
        self._slots.discard(slot)


def _deal(broker: MemoryBroker, members: Iterable[MemoryConsumer]) -> dict[MemoryConsumer, list[Place]]:
    hands: dict[MemoryConsumer, list[Place]] = {member: [] for member in members}
    for stream in sorted(broker.streams):
        takers = [member for member in hands if stream in member.streams]
        for index in range(len(broker.streams[stream].partitions) if takers else 0):
            hands[takers[index % len(takers)]].append((stream, index))
    return hands
