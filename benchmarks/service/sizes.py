"""How much of everything. All get the same."""

from __future__ import annotations

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    """`limit_s`: whoever has not handled all events by then is measured by what it has."""

    events: int = 300_000
    answered_events: int = 200_000
    awaited_events: int = 50_000
    limit_s: float = 10.0
    table_rows: int = 1_000_000
    lookups: int = 200_000
    memory_events: int = 10_000_000
    memory_limit_s: float = 900.0


STANDARD = Sizes()

QUICK = Sizes(
    events=30_000,
    answered_events=20_000,
    awaited_events=5_000,
    limit_s=5.0,
    table_rows=20_000,
    lookups=20_000,
    memory_events=200_000,
)
"""Whether it works, not what comes of it."""
