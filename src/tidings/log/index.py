"""Sparse indexes of a segment: from an offset, or a time, to a place to look from. One entry per 4 KiB or so.

They hold nothing that the segment does not: whoever doubts one builds it anew. The files are Kafka's own:
`.index` is (offset int32, position int32), `.timeindex` is (timestamp int64, offset int32), big-endian, ascending;
offsets count from the segment's first.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from struct import Struct

OFFSET_ENTRY_BYTES = 8
TIME_ENTRY_BYTES = 12

_TIME_ENTRY = Struct(">qi")


class OffsetIndex:
    """Each entry: the last offset of a batch, and the position where that batch begins."""

    __slots__ = ("offsets", "positions")

    def __init__(self) -> None:
        self.offsets = array("i")
        self.positions = array("i")

    def add(self, offset: int, position: int) -> None:
        self.offsets.append(offset)
        self.positions.append(position)

    def position_before(self, offset: int) -> int:
        """Where a batch begins that `offset` is not before: 0, or that of the last entry not past it."""
        entry = bisect_right(self.offsets, offset) - 1
        return self.positions[entry] if entry >= 0 else 0

    def entry_at(self, position: int) -> tuple[int, int] | None:
        """The last entry (offset, position) whose batch does not begin past `position`."""
        entry = bisect_right(self.positions, position) - 1
        return (self.offsets[entry], self.positions[entry]) if entry >= 0 else None

    def cut(self, offset: int) -> None:
        """Forget the entries from `offset` on."""
        kept = bisect_left(self.offsets, offset)
        del self.offsets[kept:], self.positions[kept:]

    def encode(self) -> bytes:
        entries = array("i", bytes(OFFSET_ENTRY_BYTES * len(self.offsets)))
        entries[0::2] = self.offsets
        entries[1::2] = self.positions
        if sys.byteorder == "little":
            entries.byteswap()
        return entries.tobytes()

    @classmethod
    def decode(cls, data: bytes, segment_bytes: int) -> OffsetIndex | None:
        """None unless it may be the index of a segment of that size: whole entries, ascending, within it."""
        if len(data) % OFFSET_ENTRY_BYTES:
            return None
        entries = array("i")
        entries.frombytes(data)
        if sys.byteorder == "little":
            entries.byteswap()
        index = cls()
        index.offsets = entries[0::2]
        index.positions = entries[1::2]
        if not (_ascends(index.offsets) and _ascends(index.positions)):
            return None
        if index.positions and not (index.offsets[0] >= 0 < index.positions[0] and index.positions[-1] < segment_bytes):
            return None
        return index


class TimeIndex:
    """Each entry: the greatest timestamp up to here, and the last offset of the batch that has it."""

    __slots__ = ("offsets", "timestamps")

    def __init__(self) -> None:
        self.timestamps = array("q")
        self.offsets = array("i")

    def add(self, timestamp: int, offset: int) -> None:
        """Noted only if later than all before."""
        if timestamp >= 0 and (not self.timestamps or timestamp > self.timestamps[-1]):
            self.timestamps.append(timestamp)
            self.offsets.append(offset)

    def entry_before(self, timestamp: int) -> tuple[int, int] | None:
        """The last entry earlier than `timestamp`: up to and with its offset, nothing is as late as that."""
        entry = bisect_left(self.timestamps, timestamp) - 1
        return (self.timestamps[entry], self.offsets[entry]) if entry >= 0 else None

    def latest(self) -> tuple[int, int] | None:
        """The greatest timestamp, and its offset."""
        return (self.timestamps[-1], self.offsets[-1]) if self.timestamps else None

    def cut(self, offset: int) -> None:
        """Forget the entries from `offset` on."""
        kept = bisect_left(self.offsets, offset)
        del self.timestamps[kept:], self.offsets[kept:]

    def encode(self) -> bytes:
        return b"".join(map(_TIME_ENTRY.pack, self.timestamps, self.offsets))

    @classmethod
    def decode(cls, data: bytes) -> TimeIndex | None:
        """None unless it may be one: whole entries, ascending."""
        if len(data) % TIME_ENTRY_BYTES:
            return None
        index = cls()
        for timestamp, offset in _TIME_ENTRY.iter_unpack(data):
            index.timestamps.append(timestamp)
            index.offsets.append(offset)
        if not (_ascends(index.timestamps) and _ascends(index.offsets)):
            return None
        if index.offsets and (index.offsets[0] < 0 or index.timestamps[0] < 0):
            return None
        return index


def _ascends(numbers: array[int]) -> bool:
    return all(map(int.__lt__, numbers, numbers[1:]))
