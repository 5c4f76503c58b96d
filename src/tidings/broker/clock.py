"""Two clocks: one tells what the time is, the other how long something took. Passed in, never asked for."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970: what goes into records. It may jump, so nothing is timed by it."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment: what timeouts are measured by."""
        ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
