"""The record of an event: the event, and everything that is known about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, TypeVar

from tidings.events.context import EventContext
from tidings.events.declaration import types_in
from tidings.events.envelope import Envelope, Headers
from tidings.events.position import Position
from tidings.events.serdes import DecodeError

T = TypeVar("T")


class EventRecord(Generic[T]):
    """One event as it stands in its stream. A handler that has a parameter of this type is given it.

    Records of foreign producers may lack any attribute: then `id` is made from the position, and `time` is the
    record's own timestamp.
    """

    __slots__ = ("_timestamp_ms", "envelope", "event", "key", "position")

    def __init__(self, event: T, envelope: Envelope, position: Position, key: bytes | None, timestamp_ms: int) -> None:
        self.event = event
        self.envelope = envelope
        self.position = position
        self.key = key
        self._timestamp_ms = timestamp_ms

    @property
    def id(self) -> str:
        return self.envelope.id or str(self.position)

    @property
    def type(self) -> str:
        return self.envelope.type or type(self.event).__name__

    @property
    def source(self) -> str | None:
        """Who emitted it: "/shipping"."""
        return self.envelope.source

    @property
    def time(self) -> datetime:
        """When it was emitted, in UTC."""
        return self.envelope.time or self.stored_at

    @property
    def stored_at(self) -> datetime:
        """The record's own timestamp, in UTC."""
        return datetime.fromtimestamp(self._timestamp_ms / 1000, UTC)

    @property
    def correlation_id(self) -> str:
        """The id of the workflow it belongs to."""
        return self.envelope.correlation_id or self.id

    @property
    def causation_id(self) -> str | None:
        """The id of the event that led to it; None for the first of a workflow."""
        return self.envelope.causation_id

    @property
    def traceparent(self) -> str | None:
        return self.envelope.traceparent

    @property
    def request_id(self) -> str | None:
        return self.envelope.request_id

    @property
    def client_address(self) -> str | None:
        return self.envelope.client_address

    @property
    def headers(self) -> Headers:
        return self.envelope.headers

    def as_context(self) -> EventContext:
        """What the events it leads to inherit."""
        return self.envelope.as_context(self.id)

    def __repr__(self) -> str:
        return f"<EventRecord {self.type} {self.id} at {self.position}>"


def type_name_of(stream: str, type_header: bytes | None) -> str:
    """The name of a record's event type. Raises DecodeError when it has none and the stream has several.

    A stream of one type needs no name on its records: that is how most foreign producers write.
    """
    if type_header is not None:
        try:
            return type_header.decode()
        except UnicodeDecodeError:
            raise DecodeError("its ce_type is no text") from None
    declared = types_in(stream)
    if len(declared) == 1:
        return next(iter(declared))
    raise DecodeError(f"it has no ce_type, and {stream} holds {', '.join(sorted(declared)) or 'no known type'}")
