"""What happened in a world, told from its log: each event once, however often it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tidings.errors import TidingsError
from tidings.events.declaration import types_in
from tidings.events.envelope import Envelope
from tidings.events.position import Position
from tidings.events.record import EventRecord, type_name_of
from tidings.events.serdes import DecodeError
from tidings.service.trace import Sighting, Workflow, sighting, workflows
from tidings.service.transports.base import Received

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a service gave up. See `service.dead_letters` for what it says."""

    service: str
    reason: str
    handler: str
    error: str
    message: str
    attempts: int
    position: Position
    """Where the record stands that was given up."""
    event: Any
    """None when it cannot be decoded."""


class Run:
    """A workflow, or all of them. What a service does at least once may be recorded several times, with the same id: it
    counts once here, at its first record."""

    def __init__(self, records: Iterable[Received], letters: Iterable[Received], sources: Sequence[str]) -> None:
        self._records = list(records)
        self._letters = list(letters)
        self._rank = {source: rank for rank, source in enumerate(sources)}

    @property
    def records(self) -> list[EventRecord[Any]]:
        """In causal order: each event before what it led to, and all that an effect led to before the next effect.
        Effects of one event stand in the order of the services that World was given, then in that of their emission:
        faults do not change it."""
        first: dict[str, tuple[int, EventRecord[Any]]] = {}
        for number, record in enumerate(self._records):
            one = event_record(record)
            if one is not None:
                first.setdefault(one.id, (number, one))
        effects: dict[str | None, list[tuple[int, int, EventRecord[Any]]]] = {}
        for number, one in first.values():
            cause = one.causation_id if one.causation_id in first else None
            rank = self._rank.get(one.source or "", len(self._rank)) if cause else 0
            effects.setdefault(cause, []).append((rank, number, one))
        ordered = []
        waiting = sorted(effects.pop(None, ()), key=_place, reverse=True)
        while waiting:
            _, _, one = waiting.pop()
            ordered.append(one)
            waiting += sorted(effects.pop(one.id, ()), key=_place, reverse=True)
        return ordered

    @property
    def events(self) -> list[Any]:
        """The events themselves, in causal order."""
        return [record.event for record in self.records]

    @property
    def path(self) -> list[type]:
        """Their types, in causal order."""
        return [type(event) for event in self.events]

    def emitted(self, cls: type[T]) -> list[T]:
        """The events of one type, in causal order."""
        return [event for event in self.events if type(event) is cls]

    @property
    def recorded(self) -> int:
        """How many records of events there are, repetitions among them. What services keep for themselves in streams of
        their own is not counted."""
        return sum(event_record(record) is not None for record in self._records)

    @property
    def dead(self) -> list[DeadLetter]:
        """What was given up, each once for each handler that did."""
        found = {(one.service, one.handler, one.position): one for one in map(_dead_letter, self._letters)}
        return list(found.values())

    def trace(self) -> Workflow:
        """The workflow as a tree, as `tidings trace` shows it. Raises TidingsError if there is not exactly one."""
        found = workflows(map(_sighting, self._records))
        if len(found) != 1:
            raise TidingsError(f"there are {len(found)} workflows in this run: ask the one of an emit(...).settled()")
        return found[0]

    def __repr__(self) -> str:
        return f"<Run {' > '.join(cls.__name__ for cls in self.path)}>"


def event_record(record: Received) -> EventRecord[Any] | None:
    """None when it is no event that is known here."""
    envelope = Envelope(record.headers)
    try:
        declared = types_in(record.stream)[type_name_of(record.stream, dict(envelope.headers).get("ce_type"))]
        event = declared.decode(record.value or b"")
    except (KeyError, DecodeError):
        return None
    return EventRecord(event, envelope, _position(record), record.key, record.timestamp_ms)


def _place(effect: tuple[int, int, EventRecord[Any]]) -> tuple[int, int]:
    return effect[:2]


def _position(record: Received) -> Position:
    return Position(record.stream, record.partition, record.offset)


def _sighting(record: Received) -> Sighting:
    return sighting(_position(record), record.timestamp_ms, record.key, record.headers)


def _dead_letter(record: Received) -> DeadLetter:
    told: Mapping[str, str] = {name: (value or b"").decode(errors="replace") for name, value in record.headers or ()}
    position = Position(told["dead_stream"], int(told["dead_partition"]), int(told["dead_offset"]))
    origin = event_record(record._replace(stream=position.stream))
    return DeadLetter(
        service=told["dead_service"],
        reason=told["dead_reason"],
        handler=told.get("dead_handler", ""),
        error=told.get("dead_error", ""),
        message=told.get("dead_message", ""),
        attempts=int(told["dead_attempts"]),
        position=position,
        event=None if origin is None else origin.event,
    )
