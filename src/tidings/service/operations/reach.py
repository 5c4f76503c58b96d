"""Whether a service's broker answers: asked when somebody wants to know, and not more often than they need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tidings.errors import TidingsError

FRESH_S = 1.0
"""For how long an answer holds."""
WAIT_S = 3.0
"""How long one waits for an answer. The question stays open: a late answer counts for whoever asks next."""


class Reach:
    """`ask` comes back when the broker has answered, and raises TidingsError when it does not."""

    def __init__(self, ask: Callable[[], Awaitable[object]], now_s: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now_s = now_s
        self._answered_s = float("-inf")
        self._asking: asyncio.Task[str] | None = None

    async def problem(self, wait_s: float = WAIT_S) -> str:
        """Why the broker cannot be reached; empty if it can. Takes `wait_s` at most."""
        if self._now_s() - self._answered_s < FRESH_S:
            return ""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer())
        await asyncio.wait([self._asking], timeout=wait_s)
        return self._asking.result() if self._asking.done() else f"not within {wait_s:g} s"

    async def _answer(self) -> str:
        try:
            await self._ask()
        except (TidingsError, RuntimeError) as error:  # RuntimeError: the service's loop is closed
            return str(error)
        self._answered_s = self._now_s()
        return ""

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
