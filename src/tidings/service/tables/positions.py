"""How far a table has come, and those who wait until it has passed a position (read your writes)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

from tidings.errors import TidingsError, UnavailableError
from tidings.events.position import Position


class Positions:
    """The offset that comes next in each partition. Moved on the event loop of `follower`; asked from any thread."""

    def __init__(self, stream: str, what: str) -> None:
        self._stream = stream
        self._what = what
        self._next: dict[int, int] = {}
        self._passed = threading.Condition()
        self._waiting: list[tuple[Position, asyncio.Future[None]]] = []
        self.follower: asyncio.AbstractEventLoop | None = None
        """The event loop on which the table is kept up to date, while it is."""

    def __getitem__(self, partition: int) -> int:
        return self._next.get(partition, 0)

    def as_dict(self) -> dict[int, int]:
        return dict(self._next)

    def have_reached(self, ends: Mapping[int, int]) -> bool:
        return all(self[partition] >= end for partition, end in ends.items())

    def begin(self, positions: Mapping[int, int]) -> None:
        self._next = dict(positions)

    def move(self, positions: Mapping[int, int]) -> None:
        """The table now holds all before `positions`: whoever waited for that goes on."""
        with self._passed:
            self._next.update(positions)
            self._passed.notify_all()
        self._waiting = [waiting for waiting in self._waiting if not self._release(*waiting)]

    def _release(self, position: Position, waiting: asyncio.Future[None]) -> bool:
        if not self.have_passed(position):
            return False
        if not waiting.done():
            waiting.set_result(None)
        return True

    def have_passed(self, position: Position) -> bool:
        """Whether the event at `position` is in the table, or a later one of its key."""
        if position.stream != self._stream:
            raise TidingsError(f"{position} is not in {self._stream}, which the table is of")
        if position.offset < 0:
            raise TidingsError("where the event will stand is not known before its handler is over: see emit")
        return self[position.partition] > position.offset

    def wait_for(self, position: Position, timeout_s: float) -> None:
        """Block the thread until `position` was passed. Raises UnavailableError."""
        if self.have_passed(position):
            return
        if _in_event_loop():
            raise RuntimeError("waiting here would stop the event loop: write (await table.at(position))[key]")
        with self._passed:
            if not self._passed.wait_for(lambda: self.have_passed(position), timeout_s):
                raise self._late(position, timeout_s)

    async def until_passed(self, position: Position, timeout_s: float) -> None:
        """The same in async code."""
        if self.have_passed(position):
            return
        loop = asyncio.get_running_loop()
        if self.follower is not None and loop is not self.follower:
            await asyncio.to_thread(self.wait_for, position, timeout_s)
            return
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting.append((position, waiting))
        try:
            async with asyncio.timeout(timeout_s):
                await waiting
        except TimeoutError:
            raise self._late(position, timeout_s) from None
        finally:
            self._waiting = [other for other in self._waiting if other[1] is not waiting]

    def _late(self, position: Position, timeout_s: float) -> UnavailableError:
        return UnavailableError(f"{self._what} did not reach {position} within {timeout_s:g} s")


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
