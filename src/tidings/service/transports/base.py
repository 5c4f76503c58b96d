"""What services need of whatever carries their records. `kafka` is the real one; `memory` is for tests.

Everything here is called on one event loop, and calls back on it. A transport that has threads of its own keeps
them to itself, and crosses to the loop once per batch, not once per record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from tidings.errors import TidingsError, UnavailableError
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


class Mark(NamedTuple):
    """How far a group is done with a partition. Marks of a partition only ever grow: each includes those before it."""

    offset: int
    """Everything before it is done."""
    beyond: str = ""
    """What is done behind it, as `marks.py` writes it; it is kept in the metadata of the committed offset."""


class Batch(NamedTuple):
    """What came in one go, each partition in its order."""

    records: Sequence[Received]
    ends: Mapping[Place, int] = {}
    """The partitions that were read to their present end, and the offset that comes next there.

    It lies behind the last record where the end is not a record but the marker of a transaction. Only partitions whose
    records up to there are in this batch, or were in one before, are named.
    """


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


class NotWrittenError(TidingsError):
    """Nothing of a transaction was written, because the broker will not take some of its records, now or later."""

    def __init__(self, refused: Mapping[int, RefusedError]) -> None:
        first = next(iter(refused.values()), None)
        super().__init__(f"{len(refused)} of the records of a transaction were refused: {first}")
        self.refused = refused
        """Which records, by their index, and why. There may be more of them, which the next attempt will find."""


class StaleError(UnavailableError):
    """Nothing of a transaction was written, because the group has dealt its partitions anew since.

    What is of partitions that are still our own may be tried again, a little later.
    """


class Transactor(Protocol):
    """Writes records and moves a group's marks in one: all of it or nothing. One transaction at a time."""

    async def commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        """Write `records` in this order, and set `marks`. Returns once it is so, however long the broker is away.

        An outcome that was lost on its way is found out (by reading the group's marks); nothing is ever written twice.
        For that at least one of the `marks` must be another than before. Where records were written is not told.

        It is done as the member of the group that the consumer is at the moment of the call: work out `marks` and call
        this without awaiting anything in between. What the consumer's `commit` was given before is in force by then.

        Raises NotWrittenError: nothing was written, these records are why. StaleError: nothing was written, the
        group has moved on. Cancelled, it leaves the transaction as it is: for a crash.
        """

    async def close(self) -> None:
        """Let go of everything; what is under way is aborted, unless its end is already decided."""


class Owner(Protocol):
    """Who consumes: told which partitions are its own."""

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        """These come, and their records follow, each from the offset of its mark on: those among them that are done
        (`Mark.beyond`) are sent too. None: the group has never committed anything there."""

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        """These go to another member once this returns: the time to finish what is in hand. Returns the marks to
        commit for them."""

    def lost(self, places: Collection[Place]) -> None:
        """These are gone already; nothing can be committed for them any more."""


class Consumer(Protocol):
    """A member of a group. It reads committed records only."""

    async def poll(self) -> Batch:
        """The next records, or news of an end that was reached. Waits until there are some. Not asking is how a
        consumer holds back the flow."""

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        """Note that so much is done. Soon, not now; failing is logged and means redelivery."""

    def transactor(self) -> Transactor:
        """What commits marks of this consumer together with records. One of it at a time.

        Opening takes a while, and ends the transaction that a predecessor left behind: it begins with this call.
        """

    async def close(self, marks: Mapping[Place, Mark]) -> None:
        """Commit these, now, and leave the group. A transactor is closed before."""


class Reader(Protocol):
    """Reads every partition of one stream, in no group: committed records only."""

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
    """Where each partition ends for those who read committed records: the last stable offset. Everything before it is
    decided; it may lie behind the last record, for the markers of transactions take offsets too."""


class Transport(Protocol):
    def producer(self, timeout_s: float | None) -> Producer:
        """`timeout_s` is how long a record may wait for its acknowledgement; None: as long as it takes, which is what
        keeps records in order over an outage."""

    def consumer(self, group: str, streams: Collection[str], owner: Owner, *, together: bool = False) -> Consumer:
        """With `together` a member that is dealt a partition of one stream is dealt the same one of all others."""

    def reader(self, stream: str, offsets: Mapping[int, int]) -> Reader: ...

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        """Create those that do not exist. Raises UnavailableError."""

    async def stream_state(self, stream: str) -> StreamState:
        """Raises UnavailableError."""

    async def written_ends(self, stream: str) -> Mapping[int, int]:
        """Where each partition ends with all that was written, decided or not. Raises UnavailableError.

        What somebody committed may not show yet in every partition he wrote to. It lies before these ends; and there is
        nothing of it left to come once a reader, who is shown decided records only, has passed them.
        """

    async def close(self) -> None: ...
