"""Deadlines by key, on a clock that is passed in.

Every heartbeat moves a deadline back, so moving back is one store in a dictionary: the heap keeps the earlier entry,
which is looked at once when it comes due, and put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

Key = tuple[str, ...]


class Timers:
    def __init__(self) -> None:
        self._deadlines: dict[Key, int] = {}
        self._queued: dict[Key, int] = {}
        """The one entry of each key in the heap that counts; others are leftovers."""
        self._heap: list[tuple[int, Key]] = []

    def set(self, key: Key, deadline_ms: int) -> None:
        """Let `key` come due at `deadline_ms`, and at no other time."""
        self._deadlines[key] = deadline_ms
        queued = self._queued.get(key)
        if queued is None or deadline_ms < queued:
            self._push(key, deadline_ms)

    def cancel(self, key: Key) -> None:
        self._deadlines.pop(key, None)

    def get(self, key: Key) -> int | None:
        return self._deadlines.get(key)

    def next_deadline_ms(self) -> int | None:
        """When `due` should be asked next: never late, seldom too early."""
        self._drop_leftovers()
        return self._heap[0][0] if self._heap else None

    def due(self, now_ms: int) -> Iterator[Key]:
        """Each key whose deadline has come, earliest first; it is no longer set. Others may be set meanwhile."""
        while True:
            self._drop_leftovers()
            if not self._heap or self._heap[0][0] > now_ms:
                return
            _, key = heappop(self._heap)
            del self._queued[key]
            deadline_ms = self._deadlines[key]
            if deadline_ms > now_ms:
                self._push(key, deadline_ms)
            else:
                del self._deadlines[key]
                yield key

    def _push(self, key: Key, deadline_ms: int) -> None:
        self._queued[key] = deadline_ms
        heappush(self._heap, (deadline_ms, key))

    def _drop_leftovers(self) -> None:
        heap = self._heap
        while heap:
            queued_ms, key = heap[0]
            if self._queued.get(key) != queued_ms:
                heappop(heap)
            elif key not in self._deadlines:
                heappop(heap)
                del self._queued[key]
            else:
                return
