"""A dead letter as it stands: what it says of itself, and what has become of it since."""

from __future__ import annotations

from typing import NamedTuple

from tidings.events.position import Position
from tidings.service.dead_letters import BEHIND, dead_letters_of, told_by
from tidings.service.transports.base import Place, Received

UNREAD = -1
"""The number of a letter that this process has written and not read back yet."""

WAITING = "waiting"
"""It was never tried: it waits for those before it, and for nothing else."""
GIVEN_UP = "given up"
"""It was tried, and waits for somebody to decide."""
ASKED = "asked"
"""Somebody wants it tried again."""


class LetterId(NamedTuple):
    """Which record was given up, by which handler. Written twice (after a crash), it is still the same letter."""

    stream: str
    partition: int
    offset: int
    timestamp_ms: int
    """The record's own. A stream that is deleted and made anew has other records at the same offsets."""
    handler: str
    """Empty when no handler could begin."""

    def __str__(self) -> str:
        return f"{self.stream}/{self.partition}/{self.offset}@{self.timestamp_ms} {self.handler}"

    @property
    def place(self) -> Place:
        return self.stream, self.partition

    @property
    def position(self) -> Position:
        return Position(self.stream, self.partition, self.offset)


def parse_id(text: str) -> LetterId:
    """Raises ValueError."""
    where, _, handler = text.partition(" ")
    stream, partition, place = where.split("/")
    offset, _, timestamp_ms = place.partition("@")
    return LetterId(stream, int(partition), int(offset), int(timestamp_ms), handler)


Chain = tuple[str, int, bytes | LetterId]
"""The letters of one key, in their order: where its records come from, and the key. A letter that parks nothing is a
chain of its own, named after itself."""


class Settled(NamedTuple):
    """A letter is done with."""

    id: LetterId
    number: int
    """The last number it has in the dead-letter stream: what is written of the same record later is another letter."""
    outcome: str
    """HANDLED or DROPPED."""
    time_ms: int


class Tried(NamedTuple):
    """A letter was tried again and failed; or (`asked`) is to be, and this is how it stood before."""

    id: LetterId
    number: int
    asked: bool
    attempts: int
    """In all, with those before it became a letter."""
    handlers: tuple[str, ...]
    """Those that have still to do their work; empty: all."""
    error: str
    message: str
    traceback: str
    time_ms: int


class Edited(NamedTuple):
    """A letter is to be handled with another value."""

    id: LetterId
    number: int
    value: bytes
    time_ms: int


Note = Settled | Tried | Edited

HANDLED = "handled"
DROPPED = "dropped"


class Letter(NamedTuple):
    """How a letter stands."""

    id: LetterId
    key: bytes | None
    reason: str
    parks: bool
    number: int
    """Its offset in the dead-letter stream."""
    last: int
    """That of the last time it was written."""
    attempts: int
    tried: Tried | None = None
    """What was last noted of it."""
    edited: bytes | None = None

    @property
    def chain(self) -> Chain:
        if self.parks and self.key is not None:
            return self.id.stream, self.id.partition, self.key
        return self.id.stream, self.id.partition, self.id

    @property
    def state(self) -> str:
        if self.tried is not None:
            return ASKED if self.tried.asked else GIVEN_UP
        return WAITING if self.reason == BEHIND else GIVEN_UP

    @property
    def may_run(self) -> bool:
        """Whether it may be tried, once it is the first of its chain."""
        return self.state is not GIVEN_UP

    @property
    def handlers(self) -> tuple[str, ...]:
        """Those that have still to do their work; empty: all."""
        if self.tried is not None:
            return self.tried.handlers
        return (self.id.handler,) if self.id.handler else ()

    def wish(self, now_ms: int) -> Tried:
        """The note that asks for it to be tried again. It repeats how the letter stands."""
        if self.tried is not None:
            return self.tried._replace(number=self.last, asked=True, time_ms=now_ms)
        return Tried(self.id, self.last, True, self.attempts, self.handlers, "", "", "", now_ms)

    def written_again(self, other: Letter) -> Letter:
        """The same letter, which stands in the stream a second time; or for the first time, having been decided here
        before."""
        number = other.number if self.number == UNREAD else min(self.number, other.number)
        return self._replace(number=number, last=max(self.last, other.last))

    def noted(self, note: Note) -> Letter | None:
        """What a note makes of it; None when it is done with. A note on an earlier letter of the same record changes
        nothing."""
        if isinstance(note, Settled):
            return self if self.last > note.number else None
        if note.number < self.number:
            return self
        if isinstance(note, Edited):
            return self._replace(edited=note.value)
        return self._replace(tried=note, attempts=note.attempts)


def read_letter(record: Received) -> Letter | None:
    """What a record of a dead-letter stream says; None when it is no dead letter of ours."""
    told = told_by(record.headers)
    try:
        letter_id = LetterId(
            told["dead_stream"],
            int(told["dead_partition"]),
            int(told["dead_offset"]),
            int(told.get("dead_timestamp", "0")),
            told.get("dead_handler", ""),
        )
        if record.stream != dead_letters_of(told["dead_service"]):
            return None  # a letter of another service that this one gave up, or a copy
        attempts = int(told.get("dead_attempts", "0"))
        parks = told.get("dead_parks") == "yes"
        return Letter(letter_id, record.key, told["dead_reason"], parks, record.offset, record.offset, attempts)
    except (KeyError, ValueError):
        return None
