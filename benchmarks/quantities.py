"""What is measured, in which unit, and what it is held to."""

from __future__ import annotations

from typing import Literal

import msgspec


class Target(msgspec.Struct, frozen=True):
    """A bound. Of what Tidings has, or, `beside` another, of Tidings' median divided by the other's."""

    bound: Literal["at least", "at most"]
    value: float
    beside: bool = True

    def is_met(self, value: float) -> bool:
        return value >= self.value if self.bound == "at least" else value <= self.value


class Quantity(msgspec.Struct, frozen=True):
    """A row of a table. Rows of the same `table` stand together."""

    table: str
    name: str
    unit: str
    more_is_better: bool = False
    target: Target | None = None


def limit(value: float) -> Target:
    """At most `value`, whatever others have."""
    return Target("at most", value, beside=False)


def goal(value: float) -> Target:
    """At least `value`, whatever others have."""
    return Target("at least", value, beside=False)
