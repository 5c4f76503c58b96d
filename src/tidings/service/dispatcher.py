"""Order and concurrency: records of one key one after the other, different keys side by side.

Each key that has work is a lane. Lanes with something to do wait in one queue; up to `workers` tasks take turns with
them, one record a turn. A record that must be tried again later parks its lane, and nothing else.

Nothing here awaits between looking at its state and changing it, so there are no locks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

from tidings.service.clock import Clock
from tidings.service.lanes import InHand, Key, Lane, key_of
from tidings.service.progress import Progress
from tidings.service.transports.base import Mark, Place, Received

log = logging.getLogger("tidings.service")

IN_HAND_MAX = 4096
"""Records taken in and not handled, before no more are asked for."""
OVER_MAX = 16_384
"""Records handled and not finished (what they led to is not durable yet), before no more are asked for."""
PARKED_MAX = 65_536
"""Records behind a failing one of their key that may wait in memory before no more are asked for."""
TURNS_IN_A_ROW = 16
"""How many records a worker handles before it lets the event loop look around."""

Route = Callable[[Received], Any]
"""What is to be done with a record; None when nobody here wants it."""

Work = Callable[[InHand], Awaitable[float | None]]
"""Does what there is to do for a record. Returns the seconds to wait before it should be tried again, or None when
its successors may go on; it is finished when `finish` is called, then or later."""


class Aside(Protocol):
    """Where records are that have left their lanes and are not handled yet: gathered for a handler of batches."""

    @property
    def at_work(self) -> int:
        """How many are being handled at this moment."""

    def leave(self, places: Collection[Place]) -> None:
        """Begin nothing more of these partitions, and try nothing of them again."""

    def stop(self) -> None:
        """Finish what has begun, and begin nothing more."""

    async def cancel(self) -> None:
        """Give up what is being handled."""


class Dispatcher:
    def __init__(
        self,
        work: Work,
        route: Route,
        clock: Clock,
        workers: int,
        *,
        unordered: bool = False,
        together: bool = False,
    ) -> None:
        """`unordered`: there are routes whose records keep no order (`Route.ordered`). `together`: records of one key
        are one lane whatever their stream, for what they change is the same; partitions of all streams that have one
        number come and go together."""
        self._work = work
        self._route = route
        self._clock = clock
        self._workers_max = workers
        self._workers: dict[asyncio.Task[None], None] = {}  # in the order they came, so that a test can be replayed
        self._progress: dict[Place, Progress] = {}
        self._lanes: dict[Key, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._in_hand = 0
        self._over = 0
        self._parked = 0
        self._changed: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        """Who waits for room: not woken before there is some."""
        self._stopping = False
        self._halted = False
        self._failed: BaseException | None = None
        self._failing: asyncio.Future[None] | None = None
        self._unordered = unordered
        self._together = together
        self.aside: list[Aside] = []

    # Partitions come and go.

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        for place, mark in marks.items():
            self._progress[place] = Progress(place, mark)

    async def revoked(self, places: Collection[Place]) -> None:
        """Finish what has begun in these partitions, forget the rest.

        What has begun reaches from the first unfinished record to the last that was begun: then little has to be told
        of what is done behind the watermark.
        """
        leaving = self._leave(places, whole=False)
        while any(progress.in_hand for progress in leaving) and self._failed is None and not self._halted:
            await self._change()

    def lost(self, places: Collection[Place]) -> None:
        """These are somebody else's: forget all of them that nobody has in hands. What was revoked is let go, too."""
        for progress in self._leave(places, whole=True):
            progress.gone = True
            del self._progress[progress.place]

    def _leave(self, places: Collection[Place], *, whole: bool) -> list[Progress]:
        leaving = [progress for place in places if (progress := self._progress.get(place)) is not None]
        for progress in leaving:
            progress.revoked = True
        homes = {*places, *(self._home(place) for place in places)}
        for lane in list(self._lanes.values()):
            if lane.key[0] in homes:
                self._drop(lane, whole=whole)
        for aside in self.aside:
            aside.leave(places)
        return leaving

    def _home(self, place: Place) -> Place:
        """Of what a partition's keys are lanes."""
        return ("", place[1]) if self._together else place

    def _drop(self, lane: Lane, *, whole: bool) -> None:
        """Forget the records of a lane behind what has begun, or all that nobody has in hands (`whole`).

        Whoever gets the partition next reads them again.
        """
        whole = whole or lane.parked
        while len(lane.items) > lane.running:
            item = lane.items[-1]
            if not whole and item.letter is None and item.offset <= item.progress.reached:
                break
            lane.items.pop()
            if lane.parked:
                self._parked -= 1
            self.abandon(item)
        if not lane.items:
            self._lanes.pop(lane.key, None)

    def abandon(self, item: InHand) -> None:
        """A record that was taken in and will not be handled here: it stays unfinished, for whoever comes next."""
        item.progress.in_hand -= 1
        self._in_hand -= 1
        self._tell()

    # Records come.

    def accept(self, records: Iterable[Received], ends: Mapping[Place, int] | None = None) -> None:
        """Take records in, and the ends that were reached behind them. What is of partitions that are not ours any
        more is ignored."""
        progress_of, lanes, ready, route_of = self._progress.get, self._lanes, self._ready, self._route
        place: Place = "", -1
        home = place
        progress: Progress | None = None
        for received in records:
            stream, partition, offset, _, record_key, _, _ = received
            if partition != place[1] or stream != place[0]:  # records come in runs of one partition
                place = stream, partition
                home = self._home(place)
                progress = progress_of(place)
            if progress is None or progress.revoked:
                continue
            if progress.ahead is not None and offset in progress.ahead:
                progress.skip(offset)
                continue
            route = route_of(received)
            if route is None:
                progress.skip(offset)
                continue
            progress.begin(offset)
            progress.in_hand += 1
            self._in_hand += 1
            # Without a key there is no order to keep: such a record is a lane of its own.
            alone = record_key is None or (self._unordered and not route.ordered)
            key: Key = (place, offset) if alone else (home, record_key)  # type: ignore[assignment]
            lane = lanes.get(key)
            if lane is None:
                lane = lanes[key] = Lane(key)
                ready.append(lane)
            elif lane.parked:
                self._parked += 1
            lane.items.append(InHand(received, route, progress))
        for place, end in (ends or {}).items():
            progress = progress_of(place)
            if progress is not None and not progress.revoked:
                progress.pass_to(end)
        self._hire()

    def bring(self, received: Received, route: Any, letter: Any) -> bool:
        """Take a dead letter in, behind what the lane of its key has. False if its partition is not ours."""
        place = received.stream, received.partition
        progress = self._progress.get(place)
        if progress is None or progress.revoked or self._stopping:
            return False
        item = InHand(received, route, progress)
        item.letter = letter
        item.offset = progress.begin_letter()
        progress.in_hand += 1
        self._in_hand += 1
        key = key_of(received, ordered=route.ordered)
        if received.key is not None and route.ordered:
            key = self._home(place), received.key
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
            self._ready.append(lane)
        elif lane.parked:
            self._parked += 1
        lane.items.append(item)
        self._hire()
        return True

    async def room(self) -> None:
        """Wait until there is room for another batch. Raises what went wrong in the machinery, if anything did."""
        while not self._has_room:
            self._check()
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._check()

    @property
    def _has_room(self) -> bool:
        return (
            self._in_hand - self._over - self._parked < IN_HAND_MAX
            and self._over < OVER_MAX
            and self._parked < PARKED_MAX
        )

    def over(self, item: InHand) -> None:
        """A record was handled; what it led to is not durable yet. `finish` comes later."""
        self._over += 1
        if self._room is not None:
            self._tell_room()

    def finish(self, item: InHand, *, was_over: bool = False) -> None:
        """All that a record asked for is done, and safe. `was_over`: `over` was called for it before."""
        progress = item.progress
        progress.finish(item.offset)
        progress.in_hand -= 1
        self._in_hand -= 1
        self._over -= was_over
        if self._changed:
            self._tell()
        elif self._room is not None:
            self._tell_room()

    def marks(self, also: Collection[Progress] = ()) -> dict[Place, Mark]:
        """How far partitions are done, where that is not what the group has noted yet.

        Those that are being revoked are left out, for they are committed when they go, but for those in `also`.
        """
        return _moved(one for one in self._progress.values() if not one.revoked or one in also)

    def noted(self, marks: Mapping[Place, Mark]) -> None:
        """The group has these marks now, or will soon."""
        for place, mark in marks.items():
            if (progress := self._progress.get(place)) is not None:
                progress.committed = mark

    def take_marks(self) -> dict[Place, Mark]:
        """The marks that have moved since they were last noted, noting them."""
        marks = self.marks()
        self.noted(marks)
        return marks

    def last_marks(self, places: Collection[Place] | None = None) -> dict[Place, Mark]:
        """The marks of partitions that go, or of all: those that have moved, and have nothing in hand any more."""
        leaving = self._progress.values() if places is None else [self._progress.get(place) for place in places]
        return _moved(one for one in leaving if one is not None and not one.in_hand)

    def fail(self, error: BaseException) -> None:
        """Something in the machinery went wrong that waiting does not mend."""
        self._failed = self._failed or error
        if self._failing is not None and not self._failing.done():
            self._failing.set_result(None)
        self._tell()

    async def until_failed(self) -> None:
        """Raises what went wrong in the machinery, once something does."""
        self._check()
        self._failing = asyncio.get_running_loop().create_future()
        await self._failing
        self._check()

    @property
    def in_hand(self) -> int:
        """How many records were taken in and are not finished."""
        return self._in_hand

    @property
    def is_idle(self) -> bool:
        """Whether nobody handles anything, or is about to: what is in hand is over, or waits for another attempt."""
        return self._in_hand <= self._over + self._parked

    @property
    def parked(self) -> int:
        """How many of them wait for another attempt at a record of their key."""
        return self._parked

    def done(self) -> dict[Place, int]:
        """Our partitions, and the offset before which all is done; -1 where that is not known. For any thread."""
        return {place: _watermark(progress) for place, progress in list(self._progress.items())}

    @property
    def at_work(self) -> int:
        """How many workers there are; one that finds nothing to do leaves."""
        return len(self._workers) + sum(aside.at_work for aside in self.aside)

    async def stop(self) -> None:
        """Finish what has begun (see `revoked`), forget the rest."""
        self._stopping = True
        for lane in list(self._lanes.values()):
            self._drop(lane, whole=False)
        for aside in self.aside:
            aside.stop()
        while (self._in_hand or self._workers) and self._failed is None:
            await self._change()

    async def halt(self) -> None:
        """Drop everything, begun or not."""
        self._stopping = self._halted = True
        self.lost(list(self._progress))
        self._tell()
        await self.cancel()

    async def cancel(self) -> None:
        """Give up what is still being handled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, *(aside.cancel() for aside in self.aside), return_exceptions=True)

    # Workers.

    def _hire(self) -> None:
        """One more worker, if there is something to do. It hires the next one itself, once it has begun: work that
        never waits for anything is then done by the first, and costs no more tasks."""
        if self._ready and len(self._workers) < self._workers_max:
            worker = asyncio.get_running_loop().create_task(self._run())
            self._workers[worker] = None
            worker.add_done_callback(self._left)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.pop(worker, None)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            log.critical("a worker failed; this is a bug in Tidings", exc_info=error)
            self.fail(error)
        self._hire()  # something may have come while it was leaving
        self._tell()

    async def _run(self) -> None:
        self._hire()
        ready, work, turns = self._ready, self._work, 0
        while ready:
            lane = ready.popleft()
            if not lane.items:
                continue  # dropped since
            item = lane.items[0]
            lane.running = True
            if item.offset > item.progress.reached:
                item.progress.reached = item.offset
            wait_s = await work(item)
            lane.running = False
            if wait_s is None:
                lane.items.popleft()
                self._next(lane)
            elif self._stopping or item.progress.revoked:
                self._give_up(lane, item.progress)
            else:
                self._park(lane, wait_s)
            turns += 1
            if turns % TURNS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    def park(self, count: int) -> None:
        """So many records more (or less) wait for another attempt: others may be taken in meanwhile."""
        self._parked += count
        self._tell()

    def _next(self, lane: Lane) -> None:
        if lane.items:
            self._ready.append(lane)
        else:
            del self._lanes[lane.key]

    def _give_up(self, lane: Lane, progress: Progress) -> None:
        """No time to try again: the failed record, and its successors with it, are for whoever comes next."""
        while lane.items and lane.items[0].progress is progress:
            self.abandon(lane.items.popleft())
        self._next(lane)

    def _park(self, lane: Lane, wait_s: float) -> None:
        lane.parked = True
        self._parked += len(lane.items)
        self._clock.call_later(wait_s, lambda: self._unpark(lane))
        self._tell()

    def _unpark(self, lane: Lane) -> None:
        if self._lanes.get(lane.key) is lane and lane.parked and lane.items:
            lane.parked = False
            self._parked -= len(lane.items)
            self._ready.append(lane)
            self._hire()

    # Waiting for a change.

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def _change(self) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.append(changed)
        await changed

    def _tell(self) -> None:
        changed, self._changed = self._changed, []
        for waiting in changed:
            if not waiting.done():
                waiting.set_result(None)
        self._tell_room()

    def _tell_room(self) -> None:
        waiting = self._room
        if waiting is not None and (self._has_room or self._failed is not None):
            self._room = None
            if not waiting.done():
                waiting.set_result(None)


def _watermark(progress: Progress) -> int:
    try:
        return progress.watermark
    except RuntimeError:  # it moved while we looked, from another thread
        return -1


def _moved(partitions: Iterable[Progress]) -> dict[Place, Mark]:
    return {one.place: mark for one in partitions if (mark := one.mark) is not None and mark != one.committed}
