"""How a thread that computes for long stays out of the event loop's way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLICE_S = 0.0002
"""Work for as long, then let go of the interpreter: what a client waits for it at most, but for very large batches."""
SHARE_MAX = 0.25
"""Of one processor."""
SWITCH_S = 0.0005
"""After so long the interpreter is taken from a thread that does not let go of it. Python's default is 5 ms."""


class Pace:
    """Call it between pieces of work. `bytes_per_s_max` bounds the work by what it goes through as well."""

    def __init__(
        self,
        bytes_per_s_max: float = float("inf"),
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s_per_byte = 1 / bytes_per_s_max
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._bytes = 0

    def __call__(self, bytes: int) -> None:
        self._bytes += bytes
        worked = self._clock() - self._began
        if worked >= SLICE_S:
            self._sleep(max(worked * (1 / SHARE_MAX - 1), self._bytes * self._s_per_byte - worked))
            self._began = self._clock()
            self._bytes = 0


@contextmanager
def quick_switches() -> Iterator[None]:
    """While a thread computes in batches of any size, others get their turn soon."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
