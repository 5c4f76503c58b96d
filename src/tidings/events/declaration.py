"""Declaring events: `@event("orders", key="order_id")`.

The decorator leaves the class as it is and remembers what it was told. What has been declared is found again by class
(to emit), and by stream and type name (to read).
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from tidings.errors import DeclarationError
from tidings.events.keys import Key, KeyOf, key_function
from tidings.events.serdes import Codec, codec_for

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])

STREAM_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""What Kafka allows as a topic's name."""


class EventType(Generic[T]):
    """What was declared of one class."""

    __slots__ = ("__weakref__", "_codec", "cls", "doc", "frozen", "key_of", "name", "stream")

    def __init__(self, cls: type[T], stream: str, name: str, codec: Codec[T], key_of: KeyOf) -> None:
        self.cls = cls
        self.stream = stream
        self.name = name
        self.key_of = key_of
        self.doc = cls.__doc__ or ""
        self.frozen = codec.frozen
        self._codec = codec

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields by their names in the class, and the names they have in JSON."""
        return self._codec.field_names()

    def encode(self, event: T) -> bytes:
        """The payload. Raises EncodeError."""
        return self._codec.encode(event)

    def decode(self, data: bytes) -> T:
        """The event. Raises DecodeError."""
        return self._codec.decode(data)

    def __repr__(self) -> str:
        return f"<event {self.name} in {self.stream}>"


def event(stream: str, *, key: Key = None, type: str | None = None) -> Callable[[C], C]:
    """Declare a class as an event of `stream`.

    `key` names the attribute (or attributes, or gives a function) that events stay in order by; `type` is the event's
    name in the records, by default the class's. Raises DeclarationError when the class is no msgspec Struct, dataclass
    or pydantic model, when it has no such key, or when the stream has an event of that name already.
    """
    if not isinstance(stream, str):
        raise DeclarationError('@event takes the name of a stream, as in @event("orders", key="order_id")')
    check_stream_name(stream)

    def declare(cls: C) -> C:
        if not isinstance(cls, _type):
            raise DeclarationError(f"@event declares a class, and {cls!r} is none")
        codec = codec_for(cls)
        key_of = key_function(key, cls, list(codec.field_names()))
        _remember(EventType(cls, stream, type or cls.__name__, codec, key_of))
        return cls

    return declare


def event_type(cls: type[T]) -> EventType[T]:
    """What was declared of `cls`. Raises DeclarationError if nothing was."""
    declared: EventType[T] | None = getattr(cls, _MARK, None)
    if declared is None or declared.cls is not cls:  # a subclass is not the event its parent is
        name = getattr(cls, "__qualname__", repr(cls))
        raise DeclarationError(f'{name} is not an event; declare it with @event("a-stream", key=...)')
    return declared


def is_event(cls: object) -> bool:
    return isinstance(cls, _type) and _MARK in cls.__dict__


def types_in(stream: str) -> dict[str, EventType[Any]]:
    """The event types declared in `stream` so far, by name."""
    found = {name: ref() for name, ref in _by_stream.get(stream, {}).items()}
    return {name: event_type(cls) for name, cls in found.items() if cls is not None}


def streams() -> list[str]:
    """The streams that events were declared in so far."""
    return sorted(stream for stream in _by_stream if types_in(stream))


def check_stream_name(stream: str) -> None:
    if not STREAM_NAME.fullmatch(stream) or stream in (".", ".."):
        raise DeclarationError(f"{stream!r} cannot name a stream: letters, digits, '.', '_' and '-', 249 at most")


_type = type
_MARK = "__tidings_event__"
_by_stream: dict[str, dict[str, weakref.ref[type]]] = {}


def _remember(declared: EventType[Any]) -> None:
    names = _by_stream.setdefault(declared.stream, {})
    ref = names.get(declared.name)
    earlier = ref() if ref else None
    if earlier is not None and earlier is not declared.cls and not _same_place(earlier, declared.cls):
        raise DeclarationError(
            f"stream {declared.stream!r} has an event {declared.name!r} already "
            f"({earlier.__module__}.{earlier.__qualname__}); give this one another name with type="
        )
    names[declared.name] = weakref.ref(declared.cls)
    setattr(declared.cls, _MARK, declared)


def _same_place(earlier: type, later: type) -> bool:
    """A module that is loaded again declares its classes again."""
    return (earlier.__module__, earlier.__qualname__) == (later.__module__, later.__qualname__)
