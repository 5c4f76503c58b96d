"""What goes into a coordinator with a request, and what comes out: records to keep, and replies to release.

The contract with whoever runs a coordinator:

1. Append the records, in order and as one batch; if that fails, refuse every reply of the outcome and forget it.
2. `replay` each of them at once, before the next request is decided: decisions see everything that was decided.
3. Release the replies when all that was appended so far is as safe as promised. Replies without records wait as well,
   since they may tell of what is not yet safe. So no client ever sees what a power cut could take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tidings.wire.message import Message

Ticket = object
"""Stands for one waiting request. A coordinator hands it back with the reply and never looks inside."""

Record = tuple[bytes, bytes | None]
"""Key and value of a record in the coordinator's log. A value of None takes back what was said of the key before."""


class Now(NamedTuple):
    """The two clocks. Timeouts are measured by the one, dates that outlive a restart are told by the other."""

    monotonic_ms: int
    wall_ms: int


def _everything(topic: str) -> bool:
    return True


class ClientInfo(NamedTuple):
    """Who asks, in which version of the API, and which topics it may know of."""

    client_id: str
    host: str
    api_version: int
    may_describe: Callable[[str], bool] = _everything


TopicPartition = tuple[str, int]
"""A topic's name and the index of one of its partitions."""


class Producer(NamedTuple):
    """In whose transaction records are written."""

    producer_id: int
    epoch: int


class Markers(NamedTuple):
    """How a transaction ends: to be written to its partitions once the outcome's records are safe, and only then.

    When the markers are safe too, it is handed to the coordinator's `complete`, which answers `ticket`.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    commit: bool
    partitions: frozenset[TopicPartition]
    ticket: Ticket | None = None


@dataclass(slots=True)
class Outcome:
    records: list[Record] = field(default_factory=list)
    replies: list[tuple[Ticket, Message]] = field(default_factory=list)
    producer: Producer | None = None
    """Set if the records belong to a transaction: they count when it commits."""
    markers: list[Markers] = field(default_factory=list)

    def reply(self, ticket: Ticket, message: Message) -> None:
        self.replies.append((ticket, message))

    def tickets(self) -> Iterator[Ticket]:
        """Whoever this outcome answers, now or when its markers are written."""
        yield from (ticket for ticket, _ in self.replies)
        yield from (markers.ticket for markers in self.markers if markers.ticket is not None)
