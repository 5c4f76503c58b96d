"""Records in hand, and the lanes in which those of one key follow each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tidings.service.progress import Progress
from tidings.service.transports.base import Outgoing, Place, Received

Key = tuple[Place, bytes | int]
"""Where a record is from and its key; its offset stands in for a key it does not have."""


def key_of(received: Received, *, ordered: bool = True) -> Key:
    """What a record keeps its order with: without a key, or where there is no order to keep, nothing but itself."""
    place = received.stream, received.partition
    return place, received.offset if received.key is None or not ordered else received.key


class InHand:
    """A record that was taken in, until it is finished."""

    __slots__ = (
        "attempts", "committed", "emitted", "letter", "offset",
        "outputs", "parts", "progress", "received", "route", "step",
    )  # fmt: skip

    def __init__(self, received: Received, route: Any, progress: Progress) -> None:
        self.received = received
        self.offset = received.offset
        """A dead letter has a number of its own instead, below zero: its record was done long ago."""
        self.letter: Any = None
        """Which dead letter it is, if it is one that is tried again (a `LetterId`)."""
        self.route = route
        """What `Route` gave for it."""
        self.progress = progress
        self.attempts = 0
        """How often the present handler has failed."""
        self.step = 0
        """Which of its handlers is next."""
        self.emitted = 0
        """How many events the present handler has emitted in this attempt."""
        self.outputs: list[Outgoing] = []
        """All it has led to so far, to be written when its handling is over. A failed attempt takes back its own."""
        self.parts: tuple[int, ...] = ()
        """How many `outputs` there were when each of its handlers was done."""
        self.committed: list[Callable[[], None]] = []
        """Called on the loop, in this order, once the outputs are durable."""


class Lane:
    """The records of one key, in order."""

    __slots__ = ("items", "key", "parked", "running")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.items: deque[InHand] = deque()
        self.running = False
        """A worker has its first record."""
        self.parked = False
        """Its first record failed, and waits for its time."""
