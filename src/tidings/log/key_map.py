"""The last offset of each key, for compaction: exact, and bounded by the number of keys."""

from __future__ import annotations

from hashlib import blake2b

_KEPT_BYTES_MAX = 32
_DIGEST_BYTES = _KEPT_BYTES_MAX + 1
"""A digest is longer than any key kept as it is, so the two are never taken for each other."""


class KeyMap:
    """Some 160 bytes for each key at most, however long the keys."""

    __slots__ = ("_keys_max", "_offsets")

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._offsets: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def is_full(self) -> bool:
        return len(self._offsets) >= self._keys_max

    def put(self, key: bytes, offset: int) -> None:
        self._offsets[key if len(key) <= _KEPT_BYTES_MAX else _digest(key)] = offset

    def is_latest(self, key: bytes, offset: int) -> bool:
        """Whether no later record of `key` is known."""
        return offset >= self._offsets.get(key if len(key) <= _KEPT_BYTES_MAX else _digest(key), -1)


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()
