"""A broker in one round, as scenarios see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.broker import raw_client
from benchmarks.broker.brokers import Durability, Server
from benchmarks.broker.sizes import Sizes
from benchmarks.quantities import Quantity

LABELS: dict[Durability, str] = {"default": "", "os": "page cache", "fsync": "fsync per acknowledgement"}


@dataclass
class Running:
    """`room` is for what a scenario writes. `add` keeps a value, `tell` shows what it does, `note` tells readers."""

    server: Server
    durability: Durability
    sizes: Sizes
    room: Path
    add: Callable[[Quantity, float], None]
    tell: Callable[[str], None]
    note: Callable[[str], None]
    topics: set[str] = field(default_factory=set)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.server.port)

    @property
    def label(self) -> str:
        """For the heading of a table."""
        return LABELS[self.durability]

    def topic(self, name: str, partitions: int = 1) -> str:
        """The topic `name`, made if this is the first to ask for it."""
        if name not in self.topics:
            raw_client.create_topics(self.address, {name: partitions})
            self.topics.add(name)
        return name
