"""Transactions on which faults happen: between any two of their steps, as the seed of the world decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tidings.service.clock import sleep
from tidings.service.transports.base import Mark, Outgoing, Place
from tidings.service.transports.memory import LostError, MemoryConsumer

if TYPE_CHECKING:
    from tidings.testing.world_transport import Life

LOST_ONE_IN = 4
"""Of the answers that are late, one in so many never comes."""


class FaultyTransactor:
    """After a step the service may be dead, or hear of it late, or never hear of it, and have to find out.

    Fate is asked after the beginning of a transaction, after one of its records, after its marks and after its end.
    If it were asked after every record, a long transaction would never come to its end.
    """

    def __init__(self, life: Life, consumer: MemoryConsumer) -> None:
        self._life = life
        self._fateful: frozenset[int] = frozenset()
        self._inner = consumer.transactor(self._after)

    async def commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        self._life.on_the_way += 1
        try:
            await self._life.live_on()
            count = len(records)
            self._fateful = frozenset((0, self._life.fate.pick(min(1, count), count), count + 1, count + 2))
            await self._inner.commit(records, marks)
            await self._life.live_on()
        finally:
            self._life.on_the_way -= 1

    async def _after(self, step: int) -> None:
        if step not in self._fateful:
            return
        await self._life.live_on()
        delay_s = self._life.fate.delay_s()
        if delay_s:
            await sleep(self._life.clock, delay_s)
            await self._life.live_on()
            if self._life.fate.pick(1, LOST_ONE_IN) == 1:
                raise LostError("no answer came")

    async def close(self) -> None:
        if self._life.alive:
            await self._inner.close()
