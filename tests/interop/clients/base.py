"""The face that each real client is given, so that one test can speak through all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")

HEARTBEAT_MS = 300
"""How soon a member hears of a rebalance. The clients' own 3 s would make the test slow, and show nothing more."""


class Position(NamedTuple):
    partition: int
    offset: int


class Got(NamedTuple):
    """A record as it was received."""

    at: Position
    value: str


class Member(Protocol):
    """A consumer in a group. It commits when told, and otherwise only where the client cannot do without."""

    def assignment(self) -> set[int]: ...

    def poll(self) -> list[Got]:
        """What has come; waits about 50 ms for it."""

    def commit(self) -> None:
        """Commit the position behind all that `poll` has returned."""

    def leave(self) -> None:
        """Leave the group as a client that ends in good order."""


class Client(Protocol):
    survives_restart: bool
    """Whether its consumers wait for a broker that is away, or end, as a program for a pipeline may."""

    def create_topic(self, topic: str, partitions: int) -> None: ...

    def produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        """Send (key, value) pairs with acks=all and wait; where each value was stored, as far as the client tells.

        Raises if one was not acknowledged.
        """

    def join(self, topic: str, group: str) -> Member: ...

    def close(self) -> None: ...
