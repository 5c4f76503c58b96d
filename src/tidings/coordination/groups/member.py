"""One member of a classic group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tidings.coordination.outcome import Ticket
from tidings.wire.messages.join_group import JoinGroupRequestProtocol


class Waiting(NamedTuple):
    """A request whose reply is still to come, and the version it was asked in."""

    ticket: Ticket
    api_version: int


@dataclass(slots=True, eq=False)
class Member:
    """What a member said when it joined, what it was given, and which of its requests wait.

    `protocols` holds, in the order of the member's preference, what it can follow (an assignor's name, for consumers)
    and its metadata for each (the subscription). Of a member known from the log only, it is the chosen one alone.
    """

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: dict[str, bytes]
    assignment: bytes = b""
    joining: Waiting | None = None
    syncing: Waiting | None = None
    is_new: bool = False
    """Not yet in any generation. It knows no member id to send heartbeats with, so it may expire while it waits."""

    @property
    def is_static(self) -> bool:
        return self.instance_id is not None

    @property
    def is_heard_by_waiting(self) -> bool:
        """Whether it cannot be expected to send heartbeats, since it waits for us."""
        return not self.is_new and (self.joining is not None or self.syncing is not None)

    def offers(self, protocols: dict[str, bytes]) -> bool:
        """Whether these are its protocols, in the same order and with the same metadata."""
        return list(self.protocols.items()) == list(protocols.items())


def protocols_of(offered: Sequence[JoinGroupRequestProtocol]) -> dict[str, bytes]:
    """Name to metadata, in the order of preference. A name that comes twice counts the first time."""
    protocols: dict[str, bytes] = {}
    for protocol in offered:
        protocols.setdefault(protocol.name, bytes(protocol.metadata))
    return protocols
