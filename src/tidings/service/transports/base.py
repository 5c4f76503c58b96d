"""What services need of whatever carries their records. `kafka` is the real one; `memory` is for tests.

Everything here is called on one event loop, and calls back on it. A transport that has threads of its own keeps
them to itself, and crosses to the loop once per batch, not once per record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from tidings.errors import TidingsError
from tidings.events.envelope import Headers
from tidings.events.position import Position

Place = tuple[str, int]
"""A stream and one of its partitions."""


class RefusedError(TidingsError):
    """The broker will not take this record, now or later: it is too large, or not allowed."""


class Outgoing(NamedTuple):
    """A record to be written."""

    stream: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Received(NamedTuple):
    """A record that was read."""

    stream: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None


class Batch(NamedTuple):
    """What came in one go, each partition in its order."""

    records: Sequence[Received]
    ends: Mapping[Place, int] = {}
    """The partitions that were read to their present end, and the offset that comes next there (readers only)."""


Outcome = Position | TidingsError
"""Where a record was written; or UnavailableError (not acknowledged in time: it may be there or not), RefusedError."""

Done = Callable[[list[Outcome]], None]


class Producer(Protocol):
    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        """Write `records` in this order; `done` is given one outcome for each when the last of them is known.

        Never waits: what cannot go out yet is kept.
        """

    async def close(self, flush_s: float) -> None:
        """Give what is on its way so many seconds to be acknowledged, then let go of everything."""


class Owner(Protocol):
    """Who consumes: told which partitions are its own."""

    def assigned(self, places: Collection[Place]) -> None:
        """These come, and their records follow."""

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, int]:
        """These go to another member once this returns: the time to finish what is in hand. Returns the offsets to
        commit for them."""

    def lost(self, places: Collection[Place]) -> None:
        """These are gone already; nothing can be committed for them any more."""


class Consumer(Protocol):
    """A member of a group."""

    async def poll(self) -> Batch:
        """The next records. Waits until there are some. Not asking is how a consumer holds back the flow."""

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Note that everything before these offsets is done. Soon, not now; failing is logged and means redelivery."""

    async def close(self, offsets: Mapping[Place, int]) -> None:
        """Commit these, now, and leave the group."""


class Reader(Protocol):
    """Reads every partition of one stream, in no group."""

    async def poll(self) -> Batch:
        """The next records, or news of an end that was reached."""

    async def close(self) -> None: ...


class StreamSpec(NamedTuple):
    """A stream that is to exist."""

    name: str
    partitions: int
    configs: Mapping[str, str]


class StreamState(NamedTuple):
    """A stream as it is."""

    id: str
    """Changes when the stream is deleted and made again; empty where the broker has no such ids."""
    begins: Mapping[int, int]
    """The first offset of each partition."""
    ends: Mapping[int, int]
    """The offset that the next record of each partition will get."""


class Transport(Protocol):
    def producer(self, timeout_s: float | None) -> Producer:
        """`timeout_s` is how long a record may wait for its acknowledgement; None: as long as it takes, which is what
        keeps records in order over an outage."""

    def consumer(self, group: str, streams: Collection[str], owner: Owner) -> Consumer: ...

    def reader(self, stream: str, offsets: Mapping[int, int]) -> Reader: ...

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        """Create those that do not exist. Raises UnavailableError."""

    async def stream_state(self, stream: str) -> StreamState:
        """Raises UnavailableError."""

    async def close(self) -> None: ...
