"""Why a schema may not follow others, in words for a person: where, what changed, and who breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidings.registry.compatibility.change import Change, Verdicts
from tidings.registry.compatibility.engine import Engine
from tidings.registry.compatibility.levels import Direction, Level, comparisons

S = TypeVar("S")

_READER = {Direction.BACKWARD: "the new schema", Direction.FORWARD: "the old schema"}
_WRITER = {Direction.BACKWARD: "the old schema", Direction.FORWARD: "the new schema"}
_WHO_BREAKS = {
    Direction.BACKWARD: "readers with the new schema, of what was written with the old one",
    Direction.FORWARD: "readers that still have the old schema, of what is written with the new one",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One change that breaks somebody."""

    kind: str
    path: str
    what: str
    """What changed, in a sentence's words."""
    direction: Direction
    at: int
    """Which of the previous schemas it was compared with."""

    @property
    def who_breaks(self) -> str:
        return _WHO_BREAKS[self.direction]

    def __str__(self) -> str:
        return f"{self.path}: {self.what} ({self.kind}). This breaks {self.who_breaks}."


def problems(engine: Engine[S], level: Level, new: S, previous: Sequence[S]) -> Iterator[Problem]:
    """All that speaks against `new` as the next version after `previous` (oldest first), beginning with the newest.

    They are looked for one by one: whoever needs to know only whether there is any stops at the first. Raises
    TooCostlyError.
    """
    for direction, writer, reader, at in comparisons(level, new, previous):
        for change in engine.diff(writer, reader):
            if engine.verdicts.breaks(change):
                yield problem(engine.verdicts, change, direction, at)


def problem(verdicts: Verdicts, change: Change, direction: Direction, at: int = 0) -> Problem:
    """`change` in words, as somebody sees it who asked for `direction`."""
    meaning = verdicts[change.kind].meaning
    what = meaning.format(reader=_READER[direction], writer=_WRITER[direction], detail=change.detail)
    return Problem(change.kind, change.path, what, direction, at)
