"""Records that say what kind they are: how those of groups assigned by the coordinator are written and read.

A key begins with two bytes for its kind, a value with two for its version, of which there is one so far.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Message

_PREFIX = struct.Struct(">h")


class RecordKinds:
    """The records of one protocol: the classes of their keys and values, by kind."""

    def __init__(self, kinds: Mapping[int, tuple[type[Message], type[Message]]]) -> None:
        self._kinds = kinds
        self._numbers = {key: kind for kind, (key, _) in kinds.items()}

    def __contains__(self, kind: int) -> bool:
        return kind in self._kinds

    def key(self, message: Message) -> bytes:
        return _PREFIX.pack(self._numbers[type(message)]) + encode_bytes(message, 0)

    def value(self, message: Message) -> bytes:
        return _PREFIX.pack(0) + encode_bytes(message, 0)

    def read(self, kind: int, key: bytes, value: bytes | None) -> tuple[str, Message, Message | None]:
        """The group's id, the key, and the value. Raises MalformedError, struct.error."""
        key_class, value_class = self._kinds[kind]
        at: Any = decode(key_class, 0, key, _PREFIX.size)[0]
        said = None if value is None else decode(value_class, _PREFIX.unpack_from(value)[0], value, _PREFIX.size)[0]
        return at.group_id, at, said
