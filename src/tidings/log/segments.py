"""The segments of a partition, in order. Only the last one is written to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tidings.log.segment import Segment

LOADED_MAX = 2
"""How many segments, besides the last, may keep their indexes in memory. They load again when used."""


class Mark(NamedTuple):
    """A place between two batches: the offset, and where it is. Without a segment it is the beginning of nothing."""

    offset: int
    segment: Segment | None
    position: int


class Segments:
    __slots__ = ("_loaded", "_segments", "last")

    last: Segment
    """If there is one at all. It stays the last until another is added."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self._loaded: list[Segment] = []
        if segments:
            self.last = segments[-1]

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def as_sequence(self) -> Sequence[Segment]:
        return self._segments

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    @property
    def base_offsets(self) -> list[int]:
        return [segment.base_offset for segment in self._segments]

    def mark(self, end_offset: int) -> Mark:
        """The end of what is written."""
        if not self._segments:
            return Mark(end_offset, None, 0)
        return Mark(end_offset, self._segments[-1], self._segments[-1].size_bytes)

    def add(self, segment: Segment) -> None:
        if self._segments:
            self._keep_loaded(self.last)
        self._segments.append(segment)
        self.last = segment

    def ending_before(self, offset: int) -> list[Segment]:
        """Those of which nothing is at or behind `offset`; never the last one."""
        return [segment for segment in self._segments[:-1] if segment.end_offset <= offset]

    def forget(self, segments: list[Segment]) -> None:
        self._segments = [segment for segment in self._segments if segment not in segments]
        self._loaded = [segment for segment in self._loaded if segment not in segments]

    def replace(self, old: list[Segment], new: Segment) -> None:
        """Let `new` stand where `old`, which follow one another, stood."""
        at = self._segments.index(old[0])
        self._segments = [*self._segments[:at], new, *self._segments[at + len(old) :]]
        self._loaded = [segment for segment in self._loaded if segment not in old]
        self._keep_loaded(new)

    def cut(self, mark: Mark) -> None:
        """Cut off everything behind `mark`. Raises DiskError."""
        for segment in reversed(self._segments):
            if segment is mark.segment:
                segment.truncate(mark.position, mark.offset)
                break
            if segment.base_offset < mark.offset:
                break
            segment.truncate(0, segment.base_offset)  # begun since

    def read(self, offset: int, bytes_max: int, up_to: int, shown: Mark, at_least_one: bool) -> bytes:
        """Whole batches from the one that holds `offset`, before `up_to`; see Partition.read. Raises DiskError."""
        for segment in self._from(offset):
            if offset >= up_to:
                break
            if up_to == shown.offset and segment is shown.segment:
                end_position, end_offset = shown.position, up_to
            elif up_to >= segment.end_offset:
                end_position, end_offset = segment.size_bytes, segment.end_offset
            else:
                end_position, end_offset = segment.find(up_to), up_to
            data = segment.read(offset, bytes_max, end_position, end_offset, at_least_one)
            if data or end_position < segment.size_bytes:
                return data
        return b""

    def close(self) -> None:
        for segment in self._segments:
            segment.file.close()

    def _from(self, offset: int) -> list[Segment]:
        """Those that may hold `offset`, or else what follows it."""
        segments = self._segments
        if segments and offset >= segments[-1].base_offset:
            return segments[-1:]
        found = segments[max(bisect_right(segments, offset, key=_base_offset) - 1, 0) :]
        if found:
            self._keep_loaded(found[0])
        return found

    def _keep_loaded(self, segment: Segment) -> None:
        if segment not in self._loaded:
            self._loaded.append(segment)
            if len(self._loaded) > LOADED_MAX:
                self._loaded.pop(0).unload_indexes()


def _base_offset(segment: Segment) -> int:
    return segment.base_offset
