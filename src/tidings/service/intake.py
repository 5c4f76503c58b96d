"""The way in: batches from the group's consumer to the dispatcher; and partitions, as they come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from tidings.service.commit.committer import Committer
from tidings.service.dispatcher import Dispatcher
from tidings.service.parking.office import Office
from tidings.service.tables.ownership import Ownership
from tidings.service.transports.base import Consumer, Mark, Place, Transport

log = logging.getLogger("tidings.service")

GRACE_S = 15.0
"""How long handlers may take to finish when their partitions go or the service stops."""

OpenCommitter = Callable[[Consumer], Committer]


class Intake:
    """Reads a group's streams for as long as it runs. It is the owner its consumer tells of partitions."""

    def __init__(
        self,
        transport: Transport,
        group: str,
        streams: Collection[str],
        dispatcher: Dispatcher,
        office: Office,
        open_committer: OpenCommitter,
        ownership: Ownership | None = None,
    ) -> None:
        """`ownership` is told of partitions, for tables that go with them."""
        self._dispatcher = dispatcher
        self._office = office
        self._group = group
        self.joined = False
        """The group has told us which partitions are ours, and not taken them back without a word since."""
        self._ownership = ownership or Ownership(0, ())
        self._consumer: Consumer = transport.consumer(
            group, streams, self, together=ownership is not None and len(streams) > 1
        )
        self.committer = open_committer(self._consumer)
        self.committer.start()

    async def run(self) -> None:
        """Until cancelled. Raises what cannot be mended by waiting."""
        parts = self._read(), self._office.run(), self._dispatcher.until_failed()
        work = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            await self._dispatcher.room()
            batch = await self._ownership.admit(await self._consumer.poll())
            self._dispatcher.accept(batch.records, batch.ends)

    # The consumer tells.

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        self.joined = True
        self._ownership.assigned(marks)
        self._dispatcher.assigned(marks)
        self._office.assigned(marks)

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        try:
            async with asyncio.timeout(GRACE_S):
                await self._dispatcher.revoked(places)
                return await self.committer.revoking(places)
        except TimeoutError:
            log.warning("%s: gave up partitions with handlers still at work: those events will come again", self._group)
            return {}
        finally:
            self.lost(places)

    def lost(self, places: Collection[Place]) -> None:
        self.joined = False
        self._dispatcher.lost(places)
        self._office.gone(places)
        self._ownership.released(places)

    @property
    def polled_s(self) -> float | None:
        """When the consumer last asked for records, by `time.monotonic`; None where it has no thread of its own."""
        return getattr(self._consumer, "polled_s", None)

    @property
    def parked(self) -> int:
        return self._dispatcher.parked

    def done(self) -> dict[Place, int]:
        """See `Dispatcher.done`."""
        return self._dispatcher.done()

    @property
    def in_hand(self) -> int:
        return self._dispatcher.in_hand

    @property
    def at_work(self) -> int:
        return self._dispatcher.at_work

    async def halt(self) -> None:
        """Drop what is in hand. Nobody is told."""
        await self._dispatcher.halt()
        await self.committer.halt()

    async def stop(self) -> None:
        """Finish what is in hand, commit it, leave the group. `run` must have been cancelled before."""
        marks: Mapping[Place, Mark] = {}
        try:
            async with asyncio.timeout(GRACE_S):
                await self._dispatcher.stop()
                marks = await self.committer.stop()
        except TimeoutError:
            log.warning("%s: stopped with handlers still at work: those events will come again", self._group)
            await self.committer.halt()
            await self._dispatcher.cancel()
            marks = self._dispatcher.last_marks()
        self._dispatcher.noted(marks)
        await self._consumer.close(marks)
