"""Exactly once: what records led to is written in one transaction with the marks that say that they are done.

Handling goes on while a transaction is written: all that gathers meanwhile is the next one. Transactions of one service
follow each other, so that outputs of a key keep its order, and marks only grow.

What is pending when a transaction begins is all in it, and the marks are of that same moment: nothing is awaited in
between. Whatever a member of the group had in hand when it died was not marked, and none of its outputs is there; the
next one begins with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

from tidings.errors import UnavailableError
from tidings.service.clock import Clock, Timer, sleep
from tidings.service.commit.committer import COMMIT_EVERY_S, Refuse
from tidings.service.dispatcher import Dispatcher
from tidings.service.lanes import InHand
from tidings.service.transports.base import (
    Consumer,
    Mark,
    NotWrittenError,
    Outgoing,
    Place,
    RefusedError,
    StaleError,
    Transactor,
)

log = logging.getLogger("tidings.service")

RECORDS_WANTED = 2_000
"""Enough for a transaction: what it costs by itself is little beside these."""
LINGER_S = 0.05
"""How long outputs may wait for others to come along, as long as records are being handled."""
AGAIN_S = 0.05
"""How long a transaction waits that came in the middle of a rebalance."""
REFUSED_AGAIN_S = 30.0


class ExactlyOnce:
    """The committer of services with handlers that want it. `otherwise` completes records whose handlers do not."""

    def __init__(
        self,
        consumer: Consumer,
        dispatcher: Dispatcher,
        clock: Clock,
        refuse: Refuse,
        ensure_streams: Callable[[Collection[str]], Awaitable[None]],
        otherwise: Callable[[InHand], None],
        *,
        writes: bool,
        written: Callable[[int, float], None] | None = None,
    ) -> None:
        """`writes`: its handlers are known to have outputs, so that everything is prepared at the start. `written` is
        told of each transaction that went through: how many records were in it, and how many seconds it took."""
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._clock = clock
        self._refuse = refuse
        self._ensure_streams = ensure_streams
        self._otherwise = otherwise
        self._written = written
        self._transactor: Transactor | None = consumer.transactor() if writes else None
        self._streams: set[str] = set()
        """Those that outputs are for."""
        self._pending: list[InHand] = []
        self._records = 0
        """How many outputs the pending have."""
        self._untold: list[InHand] = []
        """Records of partitions where too much is done here and there to be told: they wait until it is less."""
        self._is_time = False
        self._waiting: asyncio.Future[None] | None = None
        self._settled: list[asyncio.Future[None]] = []
        """Those who wait for the end of the transaction that is under way."""
        self._writing = False
        self._linger: Timer | None = None
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tidings-transactions")
        self._task.add_done_callback(self._ended)
        self._commit_now_and_then()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._settle_all()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("transactions came to an end", exc_info=error)
            self._dispatcher.fail(error)

    # What is to be committed.

    def complete(self, item: InHand) -> None:
        """See `Committer`."""
        if not item.route.atomic:
            self._otherwise(item)
            return
        if not item.outputs and not item.committed:
            self._dispatcher.finish(item)
            if self._pending:
                self._look()
            return
        self._dispatcher.over(item)
        self._pending.append(item)
        self._records += len(item.outputs)
        if self._linger is None:
            self._linger = self._clock.call_later(LINGER_S, self._time_is_up)
        self._look()

    def _time_is_up(self) -> None:
        self._is_time = True
        self._look()

    def _look(self) -> None:
        """Whether a transaction should begin: there is enough for one, nothing more will come now, or time is up."""
        waiting = self._waiting
        if waiting is not None and not waiting.done() and self._is_due():
            waiting.set_result(None)

    def _is_due(self) -> bool:
        return self._is_time or (bool(self._pending) and (self._records >= RECORDS_WANTED or self._dispatcher.is_idle))

    def _commit_now_and_then(self) -> None:
        """Marks move without outputs, too. Once there is a transactor they move through it, for one way is in order."""
        if self._transactor is not None:
            if not self._writing and not self._pending and (self._untold or self._dispatcher.marks()):
                self._time_is_up()
        elif marks := self._dispatcher.take_marks():
            self._consumer.commit(marks)
        self._timer = self._clock.call_later(COMMIT_EVERY_S, self._commit_now_and_then)

    # Transactions.

    async def _run(self) -> None:
        while True:
            while not self._is_due():
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
            self._writing = True
            await self._write()
            self._settle_all()

    def _settle_all(self) -> None:
        self._writing = False
        settled, self._settled = self._settled, []
        for waiting in settled:
            if not waiting.done():
                waiting.set_result(None)

    async def _write(self) -> None:
        """Write all that is pending."""
        await self._prepare()
        items, records, marks = self._snapshot()
        if not items and not marks:
            return
        if self._transactor is None:
            self._transactor = self._consumer.transactor()
        began_s = time.perf_counter()
        try:
            await self._transactor.commit(records, marks)
        except NotWrittenError as error:
            self._pending[:0] = self._without(items, error.refused)
        except StaleError:
            self._pending[:0] = items
            await sleep(self._clock, AGAIN_S)
        else:
            self._dispatcher.noted(marks)
            for item in items:
                self._finish(item)
            if self._written is not None:
                self._written(len(records), time.perf_counter() - began_s)
            return
        self._records = sum(len(item.outputs) for item in self._pending)
        self._is_time = True

    async def _prepare(self) -> None:
        """Whatever is written to exists."""
        while True:
            streams = {record.stream for item in self._pending for record in item.outputs} - self._streams
            if not streams:
                return
            try:
                await self._ensure_streams(streams)
            except UnavailableError:
                await sleep(self._clock, AGAIN_S)
            else:
                self._streams |= streams

    def _snapshot(self) -> tuple[list[InHand], list[Outgoing], dict[Place, Mark]]:
        """All that can be committed now: records that are over, their outputs, and the marks that go with them."""
        pending, self._untold = self._untold + self._pending, []
        self._pending, self._records, self._is_time = [], 0, False
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        items = []
        for item in pending:
            if item.progress.gone:
                self._dispatcher.finish(item, was_over=True)  # whoever has its partition now handles it again
            else:
                item.progress.finish(item.offset)
                items.append(item)
        writing = {item.progress for item in items}
        marks = self._dispatcher.marks(also=writing)
        scattered = {one for one in writing if one.place not in marks and one.mark is None}
        if scattered:
            self._untold = [item for item in items if item.progress in scattered]
            items = [item for item in items if item.progress not in scattered]
        return items, [record for item in items for record in item.outputs], marks

    def _finish(self, item: InHand) -> None:
        for tell in item.committed:
            tell()
        self._dispatcher.finish(item, was_over=True)

    def _without(self, items: list[InHand], refused: Mapping[int, RefusedError]) -> list[InHand]:
        """The same, with dead letters for what was refused. A dead letter that is refused itself is put off."""
        kept, begin = [], 0
        for item in items:
            end = begin + len(item.outputs)
            mine = {index - begin: error for index, error in refused.items() if begin <= index < end}
            if mine and not self._refuse(item, mine):
                item.progress.reopen(item.offset)
                self._clock.call_later(REFUSED_AGAIN_S, lambda item=item: self._again(item))  # type: ignore[misc]
            else:
                kept.append(item)
            begin = end
        return kept

    def _again(self, item: InHand) -> None:
        self._pending.append(item)
        self._time_is_up()

    # Partitions and services come and go.

    async def revoking(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        await self._settle()
        return self._dispatcher.last_marks(places)

    async def _settle(self) -> None:
        """Wait until no transaction is under way."""
        if self._writing:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settled.append(settled)
            await settled

    async def stop(self) -> Mapping[Place, Mark]:
        await self._settle()
        await self.halt()
        return self._dispatcher.last_marks()

    async def halt(self) -> None:
        for timer in (self._timer, self._linger):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transactor is not None:
            await self._transactor.close()
