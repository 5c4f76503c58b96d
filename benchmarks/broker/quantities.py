"""What is measured, in which unit, and what it is held to."""

from __future__ import annotations

from typing import Literal

import msgspec


class Target(msgspec.Struct, frozen=True):
    """A bound. Of what Tidings has, or, `beside` Kafka, of Tidings' median divided by Kafka's."""

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


THROUGHPUT = Target("at least", 1.0)
THROUGHPUT_FSYNC = Target("at least", 3.0)
P99 = Target("at most", 0.5)
START = Target("at most", 0.1)
RESIDENT = Target("at most", 0.25)


def limit(value: float) -> Target:
    """At most `value`, whatever Kafka has."""
    return Target("at most", value, beside=False)
