"""Compatibility levels: which versions a new schema is compared with, and in which direction.

| level    | who can go on reading                                                          | compared with       |
|----------|--------------------------------------------------------------------------------|---------------------|
| BACKWARD | readers that have the new schema: all that was written with the version before | the newest version  |
| FORWARD  | readers that still have the version before: all that is written from now on    | the newest version  |
| FULL     | both                                                                           | the newest version  |
| NONE     | whoever can: nothing is compared                                               | none                |

`_TRANSITIVE` compares with every version there is. One may upgrade readers first under BACKWARD, writers first under
FORWARD, and anyone under FULL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Direction(Enum):
    """Who reads whose records."""

    BACKWARD = "BACKWARD"
    """The new schema reads what was written with the old."""
    FORWARD = "FORWARD"
    """The old schema reads what is written with the new."""


class Level(StrEnum):
    """Named as in the registry's API."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def directions(self) -> tuple[Direction, ...]:
        wanted = self.removesuffix("_TRANSITIVE")
        return tuple(direction for direction in Direction if wanted in (direction.value, "FULL"))

    @property
    def is_transitive(self) -> bool:
        return self.endswith("_TRANSITIVE")


class Comparison(NamedTuple, Generic[T]):
    """One question: can `reader` read what was written with `writer`? `at` is where the older version is."""

    direction: Direction
    writer: T
    reader: T
    at: int


def comparisons(level: Level, new: T, previous: Sequence[T]) -> Iterator[Comparison[T]]:
    """All that must hold for `new` to follow `previous` (oldest first). The newest version comes first."""
    oldest = 0 if level.is_transitive else max(len(previous) - 1, 0)
    for index in range(len(previous) - 1, oldest - 1, -1):
        for direction in level.directions:
            pair = (previous[index], new) if direction is Direction.BACKWARD else (new, previous[index])
            yield Comparison(direction, *pair, index)
