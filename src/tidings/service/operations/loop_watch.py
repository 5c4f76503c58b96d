"""Whether an event loop turns; and if it does not, what holds it up."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable

from tidings.service.operations.state import LoopState

TURN_S = 0.5
STILL_S = 2.0
"""From when on it is worth looking for what holds it up."""


class LoopWatch:
    """Made on the loop, asked from any other thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._turned_s = now_s()
        self._timer = self._loop.call_later(TURN_S, self._turn)

    def _turn(self) -> None:
        self._turned_s = self._now_s()
        self._timer = self._loop.call_later(TURN_S, self._turn)

    def state(self) -> LoopState:
        still_s = max(0.0, self._now_s() - self._turned_s - TURN_S)
        return LoopState(still_s, self._where() if still_s > STILL_S else "")

    def _where(self) -> str:
        """The line that the loop's thread is at: the innermost that is no library's, if there is one."""
        frame = sys._current_frames().get(self._thread_id)
        lines = traceback.extract_stack(frame) if frame is not None else []
        for line in reversed(lines):
            if "site-packages" not in line.filename and not line.filename.startswith(_LIBRARIES):
                return f"{line.name} ({line.filename}:{line.lineno})"
        return ""

    def stop(self) -> None:
        self._timer.cancel()


_LIBRARIES = (sys.base_prefix + "/lib", "<frozen")
