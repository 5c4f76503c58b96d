"""Messages made up by Hypothesis, for every class in `tidings.wire.messages`."""

from __future__ import annotations

import importlib
import pkgutil
from copy import copy
from typing import Any, cast

from hypothesis import strategies as st

import tidings.wire.messages
from tidings.wire.message import Array, Field, FieldKind, Kind, Message, Struct

ERROR_CODE_LAST = 133
DATETIME_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999: later ones are no datetime to the oracle."""


def _all_messages() -> list[type[Message]]:
    found = []
    for module_info in pkgutil.iter_modules(tidings.wire.messages.__path__):
        module = importlib.import_module(f"tidings.wire.messages.{module_info.name}")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Message) and value.__module__ == module.__name__
        ]
    return sorted(found, key=lambda cls: cls.__name__)


MESSAGES = _all_messages()


def versions(cls: type[Message]) -> range:
    first, last = cls.versions
    return range(first, last + 1)


def instances(cls: type[Struct]) -> st.SearchStrategy[Any]:
    """Instances with a value for every field that any version has. `as_of` makes one of a certain version."""
    return st.fixed_dictionaries({f.name: _values(f, f.kind) for f in cls.FIELDS}).map(lambda values: cls(**values))


def _values(f: Field, kind: FieldKind) -> st.SearchStrategy[Any]:
    if isinstance(kind, Kind):
        values = _of_kind(f.name, kind)
    elif isinstance(kind, Array):
        values = st.lists(_values(_element(f, kind), kind.of), max_size=3)
    else:
        values = instances(kind)
    if f.default is not kind and not isinstance(kind, Array):
        values = st.just(f.default) | values
    return values if f.nullable_since is None else st.none() | values


def _element(f: Field, kind: Array) -> Field:
    return Field(kind.of, f.since, f.until, None, None, 0, f.compact, kind.of, f.name)


def _of_kind(name: str, kind: Kind) -> st.SearchStrategy[Any]:
    if name.endswith("error_code"):
        return st.integers(-1, ERROR_CODE_LAST)
    if name.endswith(("timestamp", "time_ms", "timestamp_ms")) and kind.name == "int64":
        return st.integers(-1, DATETIME_MS_MAX)
    if kind.name == "bool":
        return st.booleans()
    if kind.name == "float64":
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind.name == "uuid":
        return st.binary(min_size=16, max_size=16)
    if kind.format:
        bits = 8 * kind.bytes_min
        if kind.name.startswith("u"):
            return st.integers(0, 2**bits - 1)
        return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if kind.name == "string":
        return st.text(max_size=20) | st.just("x" * 200)
    return st.binary(max_size=20) | st.just(b"x" * 200)


def as_of(message: Struct, version: int) -> Any:
    """What is left of `message` in `version`: other fields have their defaults, and nothing is null that may not be."""
    changed = copy(message)
    for f in message.FIELDS:
        value = _as_of(f, f.kind, getattr(message, f.name), version) if f.in_version(version) else _fresh(f.default)
        setattr(changed, f.name, value)
    return changed


def _empty(kind: Kind) -> Any:
    return b"" if kind.default is None else kind.default


def _fresh(default: Any) -> Any:
    return [] if isinstance(default, list) else default


def _as_of(f: Field, kind: FieldKind, value: Any, version: int) -> Any:
    if value is None:
        if f.nullable_in(version):
            return None
        if isinstance(kind, Array):
            return []
        return _empty(kind) if isinstance(kind, Kind) else kind()
    if value is f.default:
        return value
    if isinstance(value, Struct):
        return as_of(value, version)
    if isinstance(value, list):
        return [_as_of(f, cast("Array", kind).of, item, version) for item in value]
    return value
