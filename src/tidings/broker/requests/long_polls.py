"""Fetches that wait for records. A partition that grows wakes only those that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tidings.log.partition import Partition


class LongPoll:
    """One fetch that found fewer bytes than it wants. `wake` is called once: enough has come, or the time is over."""

    __slots__ = ("bytes_missing", "partitions", "timer", "wake")

    def __init__(self, partitions: Sequence[Partition], bytes_missing: int, wake: Callable[[], None]) -> None:
        self.partitions = partitions
        self.bytes_missing = bytes_missing
        self.wake = wake
        self.timer: asyncio.TimerHandle | None = None


class LongPolls:
    """All fetches that wait, by the partitions they wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._by_partition: dict[Partition, dict[LongPoll, None]] = {}  # a dict keeps the order of arrival
        self._is_closed = False

    def wait(self, poll: LongPoll, max_wait_ms: int) -> None:
        """Wake `poll` when its bytes have come, or `max_wait_ms` from now."""
        for partition in poll.partitions:
            self._by_partition.setdefault(partition, {})[poll] = None
        poll.timer = self._loop.call_later(0 if self._is_closed else max_wait_ms / 1000, self._wake, poll)

    def forget(self, poll: LongPoll) -> None:
        """Its client is gone, or it was woken: it waits no longer."""
        if poll.timer is None:
            return
        poll.timer.cancel()
        poll.timer = None
        for partition in poll.partitions:
            polls = self._by_partition.get(partition)
            if polls is not None:
                polls.pop(poll, None)
                if not polls:
                    del self._by_partition[partition]

    def grew(self, partition: Partition, visible_bytes: int) -> None:
        """`visible_bytes` more can be read from `partition` than before."""
        polls = self._by_partition.get(partition)
        if polls is None:
            return
        for poll in list(polls):
            poll.bytes_missing -= visible_bytes
            if poll.bytes_missing <= 0:
                self._wake_soon(poll)

    def interrupt(self, partition: Partition) -> None:
        """`partition` was deleted, or fails: whoever waits for it should look again."""
        for poll in list(self._by_partition.get(partition, ())):
            self._wake_soon(poll)

    def end(self, poll: LongPoll) -> None:
        """What it waits for may have come in another way: wake it, if it waits."""
        if poll.timer is not None:
            self._wake_soon(poll)

    def close(self) -> None:
        """Answer all who wait; nobody waits from now on."""
        self._is_closed = True
        for polls in list(self._by_partition.values()):
            for poll in list(polls):
                self._wake_soon(poll)

    def __len__(self) -> int:
        """How many wait, for tests and metrics."""
        return len({poll for polls in self._by_partition.values() for poll in polls})

    def _wake_soon(self, poll: LongPoll) -> None:
        # Not at once: a producer should not wait while its consumers read.
        self.forget(poll)
        self._loop.call_soon(poll.wake)

    def _wake(self, poll: LongPoll) -> None:
        self.forget(poll)
        poll.wake()
