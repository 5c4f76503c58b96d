"""How far a partition is done: the watermark below which nothing is unfinished."""

from __future__ import annotations


class Progress:
    """Records finish in any order; what may be committed is the first that has not.

    Costs memory for what is unfinished only, however far work has run ahead of a record that is stuck.
    """

    __slots__ = ("_committed", "_next", "_unfinished", "reached", "revoked")

    def __init__(self) -> None:
        self._unfinished: dict[int, None] = {}  # in the order of offsets, as they came
        self._next = -1
        self._committed = -1
        self.reached = -1
        """The furthest offset that work has begun on."""
        self.revoked = False
        """The partition belongs to somebody else now: what is left of it here must not be begun."""

    def begin(self, offset: int) -> None:
        self.skip(offset)
        self._unfinished[offset] = None

    def skip(self, offset: int) -> None:
        """A record that nobody here wants is done as it comes."""
        if offset < self._next:  # the stream was deleted and made anew, and begins from its start
            self._unfinished.clear()
            self._committed = self.reached = -1
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        self._unfinished.pop(offset, None)

    def abandon(self, offset: int) -> None:
        """A record that was taken in and will not be handled here. What is committed stops before it."""
        self._unfinished.pop(offset, None)
        self._next = min(self._next, offset)

    @property
    def unfinished(self) -> int:
        return len(self._unfinished)

    @property
    def watermark(self) -> int:
        """Everything before this offset is done; -1 when nothing has come yet."""
        return min(next(iter(self._unfinished), self._next), self._next)

    def take_commit(self) -> int | None:
        """The offset to commit, if it has moved since the last time."""
        watermark = self.watermark
        if watermark <= self._committed:
            return None
        self._committed = watermark
        return watermark
