"""Whether the date can be trusted to have got where it is by time passing.

Offsets expire by date, for a week outlives a restart. When the date jumps (a clock set right, a laptop that slept for
ten days) a group may look long deserted whose members had no chance to come back yet. They get one.
"""

from __future__ import annotations

from tidings.coordination.outcome import Now

JUMP_MS = 60_000
GRACE_MS = 3_600_000


class ClockJumps:
    def __init__(self) -> None:
        self._skew_ms: int | None = None
        self._grace_until_ms = 0

    def seen_at(self, now: Now) -> bool:
        """Whether a jump forward was seen within the last hour. To be asked regularly."""
        skew_ms = now.wall_ms - now.monotonic_ms
        if self._skew_ms is not None and skew_ms - self._skew_ms > JUMP_MS:
            self._grace_until_ms = now.monotonic_ms + GRACE_MS
        self._skew_ms = skew_ms
        return now.monotonic_ms < self._grace_until_ms
