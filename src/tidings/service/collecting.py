"""What may go together: things of a key follow one another, and are never in two hands at a time. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Waiting(NamedTuple, Generic[T]):
    """`due_ms` is when it is to go even if there are not many."""

    key: Hashable
    thing: T
    due_ms: int


class Collector(Generic[T]):
    """Things wait here until there are `size` of them, or the first one is due. What was taken holds its keys until
    they are released: others of these keys wait behind."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: deque[Waiting[T]] = deque()
        self._behind: dict[Hashable, deque[Waiting[T]]] = {}
        """For each key that is in somebody's hands, what waits for it."""

    def __len__(self) -> int:
        return len(self._ready) + sum(map(len, self._behind.values()))

    def add(self, key: Hashable, thing: T, due_ms: int) -> None:
        self._behind.get(key, self._ready).append(Waiting(key, thing, due_ms))

    @property
    def is_full(self) -> bool:
        """Whether there are as many as may go at a time."""
        return len(self._ready) >= self._size

    @property
    def due_ms(self) -> int | None:
        """When the first that may go is due; None if there is none."""
        return self._ready[0].due_ms if self._ready else None

    def take(self, now_ms: int) -> Sequence[Waiting[T]]:
        """What is to go now, `size` things at most, in the order in which they came; nothing if it is too early."""
        ready = self._ready
        if not ready or (not self.is_full and ready[0].due_ms > now_ms):
            return ()
        taken = [ready.popleft() for _ in range(min(self._size, len(ready)))]
        for one in taken:
            self._behind.setdefault(one.key, deque())
        if ready:
            self._ready = deque()
            for one in ready:
                self._behind.get(one.key, self._ready).append(one)
        return taken

    def release(self, keys: Iterable[Hashable]) -> None:
        """What was taken of these keys is done: what waited behind may go, before all that came later."""
        freed = [one for key in keys for one in self._behind.pop(key, ())]
        self._ready.extendleft(reversed(freed))

    def drop(self) -> list[T]:
        """Forget all that waits; returns it."""
        dropped = [one.thing for waiting in (self._ready, *self._behind.values()) for one in waiting]
        self._ready.clear()
        for waiting in self._behind.values():
            waiting.clear()
        return dropped
