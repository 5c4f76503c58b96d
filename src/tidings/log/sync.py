"""Group commit: one fdatasync for all who wait for the same partition.

While one sync is under way the next requests gather; the more there are, the more share the next one. Workers are
threads, because a sync waits for the disk without holding the interpreter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

Done = Callable[[Exception | None], None]
"""Told once: None when everything appended before the request is on the disk, else why it may not be."""


class Syncable(Protocol):
    """A Partition, to this file."""

    def sync(self) -> None: ...


class Syncs(NamedTuple):
    """How many there were, and the time they took together."""

    number: int
    seconds: float


class GroupCommit:
    """`notify` takes a function and calls it where completions belong: an event loop's `call_soon_threadsafe`.

    Partitions are synced side by side by up to `workers` threads (a file system writes its journal once for all of
    them), each by one at a time. Threads start with the first request.
    """

    def __init__(self, notify: Callable[[Callable[[], None]], object], *, workers: int = 4) -> None:
        self._notify = notify
        self._workers = workers
        self._waiting: dict[Syncable, list[Done]] = {}  # in the order of the first request for each
        self._under_way: set[Syncable] = set()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle_threads = 0
        self._closed = False
        self.syncs = Syncs(0, 0.0)
        self.sync_ms = 0.0
        """How long a sync took lately, in milliseconds: a moving average over some eight of them."""

    def request(self, partition: Syncable, done: Done) -> None:
        """Call `done` when what was appended to `partition` by now is on the disk, or is known not to be."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the group commit is closed")
            waiting = self._waiting.get(partition)
            if waiting is not None:
                waiting.append(done)
                return
            self._waiting[partition] = [done]
            if partition in self._under_way:
                return  # its worker looks for more when it is done
            if self._idle_threads:
                self._changed.notify()
            elif len(self._threads) < self._workers:
                self._start_thread()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits: then the caller may as well sync itself, and save the way to a thread and back."""
        return not self._waiting and not self._under_way

    def sync_inline(self, partition: Syncable) -> None:
        """Sync here and now, in the caller's thread, and take the time. Raises what the sync raises."""
        began = time.perf_counter()
        partition.sync()
        self._measured(time.perf_counter() - began)

    def close(self) -> None:
        """Finish what was requested, then stop the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"sync-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            partition, waiting = taken
            failure: Exception | None = None
            try:
                self.sync_inline(partition)
            except Exception as error:
                failure = error
            with self._changed:
                self._under_way.discard(partition)
                if self._closed:
                    self._changed.notify_all()
                elif self._idle_threads and self._next() is not None:
                    self._changed.notify()
            self._tell(waiting, failure)

    def _take(self) -> tuple[Syncable, list[Done]] | None:
        """The next partition to sync and who waits for it; None when there will be no more."""
        with self._changed:
            while (partition := self._next()) is None:
                if self._closed and not self._waiting:
                    return None
                self._idle_threads += 1
                self._changed.wait()
                self._idle_threads -= 1
            self._under_way.add(partition)
            return partition, self._waiting.pop(partition)

    def _next(self) -> Syncable | None:
        for partition in self._waiting:
            if partition not in self._under_way:
                return partition
        return None

    def _tell(self, waiting: list[Done], failure: Exception | None) -> None:
        def tell() -> None:
            for done in waiting:
                done(failure)

        self._notify(tell)

    def _measured(self, seconds: float) -> None:
        with self._changed:
            self.syncs = Syncs(self.syncs.number + 1, self.syncs.seconds + seconds)
            self.sync_ms += (seconds * 1000 - self.sync_ms) / 8
