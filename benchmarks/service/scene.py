"""What a round takes place on: a broker, its streams, a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.command import Tell
from benchmarks.quantities import Quantity
from benchmarks.service.sizes import Sizes
from benchmarks.service.stream import Streams


@dataclass
class Scene:
    """`room` is for what is written meanwhile. `add` keeps a value of somebody's, `tell` shows what is done."""

    bootstrap: str
    streams: Streams
    room: Path
    sizes: Sizes
    add: Callable[[Quantity, str, float], None]
    tell: Tell
    _topics: dict[tuple[int, bool], str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def name(self, what: str) -> str:
        """A new name for a topic or a group."""
        return f"{what.replace('_', '-')}-{next(self._numbers)}"

    def orders(self, events: int, *, bare: bool) -> str:
        """The topic with so many orders, made if this is the first to ask for it."""
        if (events, bare) not in self._topics:
            self.tell(f"writing {events:,} orders")
            topic = self.streams.create(self.name("orders"))
            self.streams.fill(topic, events, bare=bare)
            self._topics[events, bare] = topic
        return self._topics[events, bare]
