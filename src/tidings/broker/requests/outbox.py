"""Replies leave when all that came with the same look at the sockets is handled.

A client that gets its reply wakes up and wants a processor: while others still wait to be handled, it would take it
from them. And once it is awake, the replies to its other connections need not wake it again.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Sender(Protocol):
    """A Connection, to this file."""

    def flush(self) -> None: ...


class Outbox:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Sender] = []

    def add(self, sender: Sender) -> None:
        """Have `sender` flushed, before the sockets are looked at again."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(sender)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            sender.flush()
