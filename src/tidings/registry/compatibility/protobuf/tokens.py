"""Cuts the text of a .proto file into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tidings.registry.compatibility.schema import SchemaError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+')
    |(?P<number>0[xX][0-9A-Fa-f]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol>[{}()<>=;,.:/+-]|\[|\])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:[xX]([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_TO_ESCAPE = {char: f"\\{letter}" for letter, char in _ESCAPED.items()} | {c: f"\\{c}" for c in "\\'\""}


class Token(NamedTuple):
    """`kind` is string, number, name, symbol or end."""

    kind: str
    text: str
    pos: int


def tokens(text: str) -> Iterator[Token]:
    """Those of `text`, and one for its end. Raises SchemaError."""
    pos = 0
    while pos < len(text):
        found = _TOKEN.match(text, pos)
        if found is None:
            raise SchemaError(f"{text[pos : pos + 20]!r} is not understood", where(text, pos))
        kind = found.lastgroup or ""
        if kind != "space":
            yield Token(kind, found[0], pos)
        pos = found.end()
    yield Token("end", "", pos)


def where(text: str, pos: int) -> str:
    """A place in `text`, for people."""
    return f"line {text.count(chr(10), 0, pos) + 1}"


def unquoted(literal: str) -> str:
    """What a string literal says. Raises SchemaError."""
    return _ESCAPE.sub(_unescaped, literal[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal, octal, short, long, char = found.groups()
    if char is not None:
        return _ESCAPED.get(char, char)
    code = int(octal, 8) if octal else int(hexadecimal or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise SchemaError(f"{found[0]} is no character")
    return chr(code)


def quoted(text: str) -> str:
    return '"' + "".join(_TO_ESCAPE.get(char, char) for char in text) + '"'
