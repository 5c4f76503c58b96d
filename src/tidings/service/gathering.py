"""The records that a handler of batches is to have: gathered, handled together, and told apart when that fails.

A record comes here from its lane, which then goes on: records of a key come in their order, and leave in it. A batch
is of one partition, so that it is committed whole, or is somebody else's whole. One that fails is tried again as it
was, as `Retry` says; other keys go on meanwhile. When that is over, it is halved, and halved again, until it is known
which event it is that cannot be handled: that one is given up, and no other. (What is behind it is parked with it.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Sequence
from typing import Protocol

from tidings.service.clock import Clock, Timer, sleep
from tidings.service.collecting import Collector
from tidings.service.dispatcher import Dispatcher
from tidings.service.handled import Handled
from tidings.service.lanes import key_of
from tidings.service.subscription import Handler
from tidings.service.transports.base import Place


class Hands(Protocol):
    """Who handles: calls the handler, decides what a failure means, and knows how a record goes on."""

    async def admitted(self, batch: Sequence[Handled]) -> Sequence[Handled]:
        """Those that are to be handled now: what is behind an event of its key that was given up is parked."""

    async def attempt(self, batch: Sequence[Handled]) -> Exception | None:
        """Call the handler once with all of them. What a failed attempt led to is taken back."""

    def again_in_s(self, batch: Sequence[Handled], attempts: int, error: Exception) -> float | None:
        """How long to wait after that many attempts; None if there is to be no other."""

    def give_up(self, one: Handled, attempts: int, error: Exception) -> None:
        """It cannot be handled: a dead letter."""

    def go_on(self, batch: Sequence[Handled]) -> None:
        """This handler is done with them. What they led to is committed in one."""


class _Running:
    """A batch on its way. While it waits for its next attempt, its partition may go."""

    def __init__(self, batch: Sequence[Handled]) -> None:
        self.place: Place = batch[0].item.progress.place
        self.batch = batch
        self.waits: asyncio.Future[None] | None = None
        """For its next attempt."""


class Gathering:
    """Those of one handler. `workers` batches run at a time."""

    def __init__(self, handler: Handler, hands: Hands, dispatcher: Dispatcher, clock: Clock, workers: int) -> None:
        self._handler = handler
        self._hands = hands
        self._dispatcher = dispatcher
        self._clock = clock
        self._workers = workers
        self._collectors: dict[Place, Collector[Handled]] = {}
        self._tasks: dict[asyncio.Task[None], _Running] = {}
        self._timer: Timer | None = None
        self._stopping = False

    def add(self, one: Handled) -> None:
        """Its turn has come. It is handled with others, soon; but not if those before it were given up (`leave`)."""
        if self._stopping or one.item.progress.revoked:
            self._abandon([one])
            return
        place = one.item.progress.place
        collector = self._collectors.get(place)
        if collector is None:
            collector = self._collectors[place] = Collector(self._handler.batch_max)
        key = key_of(one.item.received, ordered=self._handler.ordered)
        due_ms = self._clock.now_ms() + round(self._handler.linger_s * 1000)
        collector.add(key, one, due_ms)
        if self._timer is None or collector.is_full:
            self._look()

    @property
    def at_work(self) -> int:
        """How many batches are being handled at this moment."""
        return sum(running.waits is None for running in self._tasks.values())

    def leave(self, places: Collection[Place]) -> None:
        """Begin nothing more of these partitions, and try nothing of them again."""
        for place in places:
            if (collector := self._collectors.get(place)) is not None:
                self._abandon(collector.drop())
        for running in self._tasks.values():
            if running.waits is not None and running.place in places:
                running.waits.cancel()

    def stop(self) -> None:
        """Finish what has begun, and begin nothing more."""
        self._stopping = True
        self.leave({*self._collectors, *(running.place for running in self._tasks.values())})

    async def cancel(self) -> None:
        """Give up what is being handled."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _abandon(self, gone: Sequence[Handled]) -> None:
        for one in gone:
            self._dispatcher.abandon(one.item)

    # Batches begin.

    def _look(self) -> None:
        """Begin what is to begin now; be told when it is time for more."""
        now_ms = self._clock.now_ms()
        for collector in self._collectors.values():
            while len(self._tasks) < self._workers and (taken := collector.take(now_ms)):
                self._begin(collector, [one.thing for one in taken], {one.key for one in taken})
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = [due_ms for collector in self._collectors.values() if (due_ms := collector.due_ms) is not None]
        if due_ms and len(self._tasks) < self._workers:
            self._timer = self._clock.call_later((min(due_ms) - now_ms) / 1000, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        self._look()

    def _begin(self, collector: Collector[Handled], batch: Sequence[Handled], keys: Collection[Hashable]) -> None:
        running = _Running(batch)

        def ended(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            if task.cancelled():
                return
            if (error := task.exception()) is not None:
                self._dispatcher.fail(error)
            collector.release(keys)
            self._look()

        task = asyncio.get_running_loop().create_task(self._run(running))
        self._tasks[task] = running
        task.add_done_callback(ended)

    # A batch runs.

    async def _run(self, running: _Running) -> None:
        batch = running.batch = await self._hands.admitted(running.batch)
        attempts = 0
        while batch:
            error = await self._hands.attempt(batch)
            if error is None:
                self._hands.go_on(batch)
                return
            attempts += 1
            wait_s = self._hands.again_in_s(batch, attempts, error)
            if wait_s is None:
                await self._divide(batch, attempts, error)
                return
            if not await self._wait(running, wait_s):
                self._abandon(batch)
                return

    async def _divide(self, batch: Sequence[Handled], attempts: int, error: Exception) -> None:
        """It has failed for good as a whole: the halves, one after the other, may do better."""
        if len(batch) == 1:
            self._hands.give_up(batch[0], attempts, error)
            self._hands.go_on(batch)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            admitted = await self._hands.admitted(half)
            failure = await self._hands.attempt(admitted) if admitted else None
            if failure is None:
                self._hands.go_on(admitted)
            else:
                await self._divide(admitted, attempts + 1, failure)

    async def _wait(self, running: _Running, wait_s: float) -> bool:
        """Whether there is to be another attempt: not if its partition goes, or the service stops."""
        if self._stopping or running.batch[0].item.progress.revoked:
            return False
        self._dispatcher.park(len(running.batch))
        running.waits = asyncio.ensure_future(sleep(self._clock, wait_s))
        try:
            await asyncio.wait([running.waits])
            return not running.waits.cancelled()
        finally:
            running.waits.cancel()
            running.waits = None
            self._dispatcher.park(-len(running.batch))
