"""The way in: batches from the group's consumer to the dispatcher, and its watermarks back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping

from tidings.service.clock import Clock, Timer
from tidings.service.dispatcher import Dispatcher
from tidings.service.transports.base import Consumer, Place, Transport

log = logging.getLogger("tidings.service")

COMMIT_EVERY_S = 0.25
GRACE_S = 15.0
"""How long handlers may take to finish when their partitions go or the service stops."""


class Intake:
    """Reads a group's streams for as long as it runs. It is the owner its consumer tells of partitions."""

    def __init__(
        self, transport: Transport, group: str, streams: Collection[str], dispatcher: Dispatcher, clock: Clock
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._group = group
        self._consumer: Consumer = transport.consumer(group, streams, self)
        self._timer: Timer | None = None

    async def run(self) -> None:
        """Until cancelled. Raises what cannot be mended by waiting."""
        self._commit_now_and_then()
        while True:
            await self._dispatcher.room()
            batch = await self._consumer.poll()
            self._dispatcher.accept(batch.records)

    def _commit_now_and_then(self) -> None:
        if commits := self._dispatcher.take_commits():
            self._consumer.commit(commits)
        self._timer = self._clock.call_later(COMMIT_EVERY_S, self._commit_now_and_then)

    def assigned(self, places: Collection[Place]) -> None:
        self._dispatcher.assigned(places)

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, int]:
        try:
            async with asyncio.timeout(GRACE_S):
                return await self._dispatcher.revoked(places)
        except TimeoutError:
            log.warning("%s: gave up partitions with handlers still at work: those events will come again", self._group)
            return {}

    def lost(self, places: Collection[Place]) -> None:
        self._dispatcher.lost(places)

    @property
    def in_hand(self) -> int:
        return self._dispatcher.in_hand

    @property
    def at_work(self) -> int:
        return self._dispatcher.at_work

    async def halt(self) -> None:
        """Drop what is in hand. Nobody is told."""
        if self._timer is not None:
            self._timer.cancel()
        await self._dispatcher.halt()

    async def stop(self) -> None:
        """Finish what is in hand, commit it, leave the group. `run` must have been cancelled before."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(GRACE_S):
                await self._dispatcher.stop()
        except TimeoutError:
            log.warning("%s: stopped with handlers still at work: those events will come again", self._group)
            await self._dispatcher.cancel()
        await self._consumer.close(self._dispatcher.take_commits())
