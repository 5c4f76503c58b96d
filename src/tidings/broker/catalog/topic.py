"""A topic as the catalog knows it, and our copy of each of its partitions."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidings.broker.catalog.topic_names import INTERNAL
from tidings.log.partition import Partition


@dataclass(slots=True, eq=False)
class Replica:
    """Our copy of a partition. `log` is opened when it is first asked for: see `Catalog.partition`."""

    index: int
    leader_epoch: int
    log: Partition | None = None
    fault: str | None = None
    """Why it could not be opened. It stays offline until the next start."""

    @property
    def is_offline(self) -> bool:
        return self.fault is not None or (self.log is not None and self.log.offline_reason is not None)


@dataclass(slots=True, eq=False)
class Topic:
    """One life of a topic: created again under the same name, it has another id and a higher leader epoch."""

    name: str
    id: bytes
    configs: dict[str, str] = field(default_factory=dict)
    """Its own settings; what is not here has the broker's default."""
    partitions: list[Replica] = field(default_factory=list)

    @property
    def is_internal(self) -> bool:
        return self.name in INTERNAL


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic that is asked for."""

    name: str
    partition_count: int
    configs: dict[str, str | None] = field(default_factory=dict)
