"""The handling that the running code is part of: what it emits is named after the record it answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tidings.events import context
from tidings.events.envelope import Answers, Envelope
from tidings.events.ids import id_derived_from
from tidings.events.position import Position
from tidings.events.record import EventRecord
from tidings.service.lanes import InHand
from tidings.service.subscription import Handler
from tidings.service.transports.base import Outgoing

UNKNOWN = -1
"""Partition and offset of what is not written yet."""


class Handled:
    """One event in one handler's hands. Most handlers emit little and ask nothing: the envelope is read if they do."""

    __slots__ = ("_answers", "_context", "_record", "elsewhere", "event", "handler", "is_over", "item", "service")

    def __init__(self, service: str, item: InHand, event: Any, handler: Handler) -> None:
        self.service = service
        self.item = item
        self.event = event
        self.handler = handler
        self.is_over = False
        """The handler is done: what is emitted now (by a task that it left behind) is no part of it."""
        self.elsewhere: Sequence[Outgoing] = ()
        """What it led to that is not among the item's outputs, for it goes another way: through a database's outbox."""
        self._record: EventRecord[Any] | None = None
        self._context: context.EventContext | None = None
        self._answers: Answers | None = None

    def as_record(self) -> EventRecord[Any]:
        if self._record is None:
            stream, partition, offset, timestamp_ms, key, _, headers = self.item.received
            position = Position(stream, partition, offset)
            self._record = EventRecord(self.event, Envelope(headers), position, key, timestamp_ms)
        return self._record

    def as_context(self) -> context.EventContext:
        if self._context is None:
            self._context = self.as_record().as_context()
        return self._context

    @property
    def answers(self) -> Answers:
        """How what it emits is headed, if it has nothing from its surroundings."""
        if self._answers is None:
            received = self.item.received
            self._answers = Answers(received.headers or (), Position(*received[:3]))
        return self._answers

    def next_id(self) -> str:
        """The id of the next event: the same one when the record is handled again."""
        index = self.item.emitted
        self.item.emitted += 1
        return id_derived_from(self.answers.cause_id + self._origin + b"%d" % index)

    @property
    def _origin(self) -> bytes:
        """What ids are derived from, between the cause's id and the number."""
        return _origin(self.service, self.handler.name)

    def collect(self, record: Outgoing) -> Position:
        """Keep what was emitted, to be written with all else that the record leads to.

        Where it will stand is not known before.
        """
        self.item.outputs.append(record)
        return Position(record.stream, UNKNOWN, UNKNOWN)


@lru_cache
def _origin(service: str, handler: str) -> bytes:
    return f"\0{service}\0{handler}\0".encode()


def handled() -> Handled | None:
    """What the running code is handling, if it is."""
    source = context.source.get()
    return source if isinstance(source, Handled) else None
