"""Compares pairs of schemas that may lead back to themselves, in bounded time, however deep they are.

What a format has to say about two schemas is a generator: it yields the pairs of parts that it wants compared, is sent
their changes, and returns its own. So no comparison calls another, and depth costs memory of the heap, not stack.

A pair that is met while it is being compared is taken for granted: nothing in it can differ that is not found anyway.
Only where one of several alternatives has to fit may that be wrong: an alternative was taken for what it turns out not
to be. Then all is compared once more, with that known from the start, until nothing wrong was taken for granted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Generic, NamedTuple, TypeVar

from tidings.registry.compatibility.change import Change, Verdicts
from tidings.registry.compatibility.schema import TooCostlyError

T = TypeVar("T")

Steps = Generator[tuple[T, T], list[Change], list[Change]]
PAIRS_MAX = 100_000
"""Compared."""
QUESTIONS_MAX = 2_000_000
"""Asked for them: those that have an answer already cost less."""
TOLD_MAX = 20_000_000
"""How much is said in all. Where many paths lead to the same part, its changes are told for each, and a path grows
with every step of the way: a change costs as many as its path has characters, and some more."""
_TOLD_BESIDES = 100

_Key = tuple[int, int]


class _Open(NamedTuple, Generic[T]):
    """A pair that is being compared."""

    key: _Key
    steps: Steps[T]


class Pairs(Generic[T]):
    """One comparison of two whole schemas. Parts are told apart by identity, so they must live as long as this does.

    `meant` says what is meant by a part that only refers to another.
    """

    def __init__(
        self, steps: Callable[[T, T], Steps[T]], verdicts: Verdicts, meant: Callable[[T], T] = lambda part: part
    ) -> None:
        self._steps = steps
        self._verdicts = verdicts
        self._meant = meant
        self._stack: list[_Open[T]] = []
        self._known: dict[_Key, list[Change]] = {}
        self._open: set[_Key] = set()
        self._granted: set[_Key] = set()
        self._disproved: dict[_Key, list[Change]] = {}
        self._pairs = 0
        self._questions = 0
        self._told = 0

    def changes(self, old: T, new: T) -> list[Change]:
        """What differs. Raises TooCostlyError."""
        while True:
            found = self._compared(self._meant(old), self._meant(new))
            wrong = [key for key in self._granted if not self._verdicts.fits(self._known[key])]
            if not wrong or not self._verdicts.fits(found):
                return found
            self._disproved |= {key: self._known[key] for key in wrong}
            self._known.clear()
            self._granted.clear()

    def _compared(self, old: T, new: T) -> list[Change]:
        self._begin(old, new)
        answer: list[Change] | None = None
        while self._stack:
            steps = self._stack[-1].steps
            try:
                pair = steps.send(answer) if answer is not None else next(steps)
            except StopIteration as stop:
                answer = self._end(stop.value)
            else:
                old, new = map(self._meant, pair)
                answer = self._recall(old, new)
                if answer is None:
                    self._begin(old, new)
        assert answer is not None
        return answer

    def _begin(self, old: T, new: T) -> None:
        self._pairs += 1
        if self._pairs > PAIRS_MAX:
            raise TooCostlyError(f"comparing these schemas takes more than {PAIRS_MAX} steps")
        key = (id(old), id(new))
        self._open.add(key)
        self._stack.append(_Open(key, self._steps(old, new)))

    def _recall(self, old: T, new: T) -> list[Change] | None:
        """What is known of a pair already; None if it has to be looked at."""
        self._questions += 1
        if self._questions > QUESTIONS_MAX:
            raise TooCostlyError(f"comparing these schemas takes more than {QUESTIONS_MAX} questions")
        key = (id(old), id(new))
        if key not in self._open:
            return self._known.get(key)
        if key in self._disproved:
            return self._disproved[key]
        self._granted.add(key)
        return []

    def _end(self, changes: list[Change]) -> list[Change]:
        self._told += sum(_TOLD_BESIDES + len(change.path) for change in changes)
        if self._told > TOLD_MAX:
            raise TooCostlyError("these schemas differ in too many places")
        key = self._stack.pop().key
        self._open.discard(key)
        self._known[key] = changes
        return changes
