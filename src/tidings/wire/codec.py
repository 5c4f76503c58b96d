"""Between messages and bytes. Each version of a message has a function that reads it and one that writes it.

They are written and compiled when first used (see `reading` and `writing`), and kept: what is not in a version does not
appear in its functions at all, and neighbouring fields of fixed width become one `struct` call.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TypeVar

from tidings.wire.message import Message
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.reading import Read, compile_reader
from tidings.wire.writing import Write, compile_writer

M = TypeVar("M", bound=Message)


def decode(cls: type[M], version: int, buf: Buffer, pos: int = 0) -> tuple[M, int]:
    """Read a message at `pos`; return it and the position behind it. Raises MalformedError.

    Record batches in it are views of `buf`; all else is copied.
    """
    view = buf if type(buf) is memoryview else memoryview(buf)
    try:
        message, pos = _reader(cls, version)(view, pos)
    except (struct.error, IndexError) as error:
        raise _cut_short(cls, version, view) from error
    except UnicodeDecodeError as error:
        raise MalformedError(f"{cls.__name__} v{version}: a string is not UTF-8") from error
    if pos > len(view):
        raise _cut_short(cls, version, view)
    return message, pos


def encode(message: Message, version: int) -> list[Buffer]:
    """The message as pieces, to be sent one after the other."""
    parts: list[Buffer] = []
    _writer(type(message), version)(message, parts.append)
    return parts


def encode_bytes(message: Message, version: int) -> bytes:
    return b"".join(encode(message, version))


@cache
def _reader(cls: type[Message], version: int) -> Read:
    return compile_reader(cls, version, _is_flexible(cls, version))


@cache
def _writer(cls: type[Message], version: int) -> Write:
    return compile_writer(cls, version, _is_flexible(cls, version))


def _is_flexible(cls: type[Message], version: int) -> bool:
    first, last = cls.versions
    if not first <= version <= last:
        raise MalformedError(f"{cls.__name__} has no version {version}; it has {first} to {last}")
    return version >= cls.flexible_since


def _cut_short(cls: type[Message], version: int, view: memoryview) -> MalformedError:
    return MalformedError(f"{cls.__name__} v{version} is cut short at {len(view)} bytes")
