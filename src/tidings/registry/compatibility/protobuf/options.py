"""Options in one spelling, of the several that they can be written in.

`(a).b.c = 1`, `(a).b = {c: 1}` and `(a) = {b {c: [1]}}` say the same: an object for each option, in which what is said
several times is a list, and a list of one is what is in it. Extensions are named in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tidings.registry.compatibility.protobuf.elements import Option, Value

Resolve = Callable[[str], str]
"""The full name of an extension."""

_PARTS = re.compile(r"\([^)]*\)|[^.]+")


class _Way(dict[str, Value]):
    """An object that was not written as one: it is there for a part of it."""


def in_one_spelling(options: Iterable[Option], resolve: Resolve) -> list[Option]:
    """In the order of their names."""
    said: dict[str, Value] = {}
    for option in options:
        name, *path = _PARTS.findall(option.name)
        if name.startswith("("):
            name = f"({resolve(name[1:-1])})"
        _put(said, name, _at(path, option.value, resolve))
    return [Option(name, _plain(said[name])) for name in sorted(said)]


def _at(path: list[str], value: Value, resolve: Resolve) -> Value:
    """`value` as a part of an object, or of one in it."""
    value = _named(value, resolve)
    for name in reversed(path):
        value = _Way({f"[{resolve(name[1:-1])}]" if name.startswith("(") else name: value})
    return value


def _named(value: Value, resolve: Resolve) -> Value:
    if isinstance(value, dict):
        named: dict[str, Value] = {}
        for name, inner in value.items():
            is_extension = name.startswith("[") and "/" not in name
            _put(named, f"[{resolve(name[1:-1])}]" if is_extension else name, _named(inner, resolve))
        return named
    return [_named(item, resolve) for item in value] if isinstance(value, list) else value


def _put(said: dict[str, Value], name: str, value: Value) -> None:
    if name not in said:
        said[name] = value
        return
    known = said[name]
    if isinstance(known, dict) and isinstance(value, dict) and (isinstance(known, _Way) or isinstance(value, _Way)):
        for key, inner in value.items():
            _put(known, key, inner)
    else:
        said[name] = [*_as_list(known), *_as_list(value)]


def _as_list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _plain(value: Value) -> Value:
    """Without lists of one, and of none."""
    if isinstance(value, dict):
        plain = {name: _plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in plain.items() if inner != []}
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return items[0] if len(items) == 1 else items
    return value
