"""Keys: what decides the partition of an event, and so what it stays in order with."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from tidings.errors import DeclarationError
from tidings.events.serdes import EncodeError

Key = str | Sequence[str] | Callable[[Any], Any] | None
"""An attribute's name, several of them, a function of the event, or none: such events keep no order."""

KeyOf = Callable[[Any], bytes | None]


def encode_key(value: object) -> bytes:
    """A key as bytes: text as UTF-8, what has a usual text form as that, several values as a JSON array.

    Text rather than JSON for the single value: other clients, in any language, then make the same key of the same id.
    """
    if isinstance(value, str):
        return value.encode() if type(value) is str else _plain(value).encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple | list):
        return msgspec.json.encode(value)
    return _plain(value).encode()


def _plain(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int | uuid.UUID | Decimal | str):
        return str(value)
    raise EncodeError(f"a {type(value).__name__} cannot be a key")


def key_function(key: Key, cls: type, field_names: Sequence[str]) -> KeyOf:
    """The function that takes an event to its key. Raises DeclarationError where an attribute does not exist."""
    if key is None:
        return lambda event: None
    if callable(key):
        return _keyed_by(key, cls)
    names = [key] if isinstance(key, str) else list(key)
    if not names or not all(isinstance(name, str) for name in names):
        raise DeclarationError(f"{cls.__qualname__}: a key is an attribute's name, several names, or a function")
    for name in names:
        if name not in field_names and not isinstance(getattr(cls, name, None), property):
            raise DeclarationError(
                f"{cls.__qualname__} has no field {name!r} to be its key; it has: {', '.join(field_names) or 'none'}"
            )
    return _keyed_by(attrgetter(*names), cls)


def _keyed_by(value_of: Callable[[Any], Any], cls: type) -> KeyOf:
    def key_of(event: Any) -> bytes:
        value = value_of(event)
        if type(value) is str:
            return value.encode()
        if value is None:
            raise EncodeError(f"the key of this {cls.__qualname__} is None")
        return encode_key(value)

    return key_of
