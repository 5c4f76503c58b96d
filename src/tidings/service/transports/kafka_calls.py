"""Calls of librdkafka that block, and now and then for ever.

They are given a timeout, and mostly keep to it. But a request to a group's coordinator that waits for a broker to come
back is not looked at when its time is up (librdkafka's issue 5456, open in version 2.16): when a broker was killed
and comes back at a bad moment, `send_offsets_to_transaction` never returns. So such calls are made in a thread that can
be left behind.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

LATE_S = 2.0
"""How much later than its timeout a call may return before it is taken for lost."""


class LostCallError(Exception):
    """A call did not return; whatever it was made on must not be used any more."""


class Caller:
    """Makes one call after the other in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def call(self, function: Callable[[], object], timeout_s: float) -> None:
        """Raises what `function` raises; LostCallError if it takes much longer than `timeout_s`, its own timeout."""
        ended = threading.Event()
        raised: list[BaseException] = []

        def run() -> None:
            try:
                function()
            except BaseException as error:
                raised.append(error)
            ended.set()

        self._calls.put(run)
        if not ended.wait(timeout_s + LATE_S):
            raise LostCallError
        if raised:
            raise raised[0]

    def close(self) -> None:
        """No more calls: the thread ends once it is free."""
        self._calls.put(None)
