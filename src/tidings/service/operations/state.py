"""A service at a moment, as its health and its metrics are judged by. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidings.service.transports.base import Place


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """A service as a member of its group."""

    joined: bool
    """The group has told it which partitions are its own; there may be none for it."""
    done: Mapping[Place, int] = field(default_factory=dict)
    """Its partitions, and the offset before which all is done; -1 where that is not known yet."""
    polled_s_ago: float | None = None
    """When it last asked for records; None where the transport does not tell."""


@dataclass(frozen=True, slots=True)
class TableState:
    """A table, and how far it has come."""

    name: str
    stream: str
    caught_up: bool
    next: Mapping[int, int] = field(default_factory=dict)
    """The offset that comes next in each partition."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """What a service has committed to its database and not yet published."""

    rows: int
    oldest_s: float
    """How long the oldest has waited; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`running` from its start until it is told to stop."""

    service: str
    running: bool
    begun: bool = False
    """Its handlers have begun; with none, there was nothing to wait for."""
    failure: str = ""
    """What it fell over."""
    consumers: tuple[ConsumerState, ...] = ()
    tables: tuple[TableState, ...] = ()
    in_hand: int = 0
    parked: int = 0
    at_work: int = 0


@dataclass(frozen=True, slots=True)
class LoopState:
    """The event loop that services run on."""

    still_s: float = 0.0
    """How long it has not turned."""
    where: str = ""
    """What holds it up."""
