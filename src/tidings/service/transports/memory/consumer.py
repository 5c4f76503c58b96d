"""A member of a group in memory."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tidings.service.transports.base import Batch, Mark, Owner, Place, StaleError
from tidings.service.transports.memory.cursor import Cursor
from tidings.service.transports.memory.transactor import MemoryTransactor, Step, at_once

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker
    from tidings.service.transports.memory.group import MemoryGroup

log = logging.getLogger("tidings.service")


class MemoryConsumer:
    def __init__(self, broker: MemoryBroker, group: MemoryGroup, streams: Collection[str], owner: Owner) -> None:
        self._broker = broker
        self._group = group
        self.streams = frozenset(streams)
        self.owner = owner
        self.generation = -1
        """The last one of the group that it was told of."""
        self._cursor = Cursor(broker, {})
        self._transactors: list[MemoryTransactor] = []
        self._joined = False
        self._crashed = False

    @property
    def positions(self) -> dict[Place, int]:
        """The partitions it has, with the offset that comes next in each."""
        return self._cursor.positions

    @property
    def paused(self) -> set[Place]:
        """Those that are not read for the time being."""
        return self._cursor.paused

    async def poll(self) -> Batch:
        while True:
            if not self._broker.away and not self._crashed:
                await self.join()
                if (batch := self._cursor.read()) is not None:
                    return batch
            await self._broker.change()

    async def join(self) -> None:
        """Become a member of the group, if it is not one yet."""
        if not self._joined:
            self._joined = True
            self._group.members.append(self)
            await self._group.rebalance(self._broker)

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        generation = self.generation

        def commit() -> None:
            try:
                self._group.commit(marks, self, generation)
            except StaleError as error:
                log.warning("could not commit, so some events may come again: %s", error)
            self._broker.wake()

        if marks and self._joined:
            self._broker.when_there(commit)

    def transactor(self, step: Step = at_once) -> MemoryTransactor:
        """`step` is awaited between any two steps of a transaction; it may raise LostError."""
        transactor = MemoryTransactor(self._broker, self._group, self, step)
        self._transactors.append(transactor)
        return transactor

    async def close(self, marks: Mapping[Place, Mark]) -> None:
        self.commit(marks)
        if self._joined:
            self._joined = False
            self._group.members.remove(self)
            self.positions.clear()
            await self._group.rebalance(self._broker)

    def crash(self) -> None:
        """Be gone without a word: nothing is finished, nothing committed; what a transaction has done stays undecided
        until a successor or its time comes."""
        self._crashed = True
        if self._joined:
            self._joined = False
            self._group.members.remove(self)
        for transactor in self._transactors:
            transactor.let_go()
        self.owner.lost(list(self.positions))
        self.positions.clear()

    # Called by its group.

    async def hand_over(self, places: Collection[Place]) -> None:
        """These go to another member."""
        self.commit(await self.owner.revoked(places))
        for place in places:
            self._cursor.leave(place)

    def take(self, places: Collection[Place]) -> None:
        """These come, and are read from where the group has got to."""
        marks = {place: self._group.marks.get(place) for place in places}
        for place, mark in marks.items():
            self._cursor.begin(place, mark.offset if mark is not None else 0)
        self.owner.assigned(marks)

    def lose_and_take(self, place: Place) -> None:
        """The group takes a partition away without asking, and gives it back: what is in hand of it comes again."""
        self.owner.lost([place])
        self._group.next_generation()
        self.take([place])
