"""The aborted transactions of a partition, for consumers that read what is committed only (KIP-98).

A fetch tells such a consumer which transactions, of those that touch what it got, were aborted: it then leaves out what
that producer wrote, from the first offset named on to the marker. Each segment has a `.txnindex` of the markers in it,
in Kafka's own format; here they are all one sequence in memory, 34 bytes each, in the order of the markers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from tidings.wire.checksum import crc32c

_VERSION = 0
_ENTRY = Struct(">hqqqq")  # version, producer id, first offset, last offset, last stable offset
_LAST_OFFSET = Struct(">q")
_LAST_OFFSET_AT = 18


class AbortedTxn(NamedTuple):
    """`first_offset` is that of its data, `last_offset` that of its marker. Every transaction that is not in the
    sequence yet begins at or behind `last_stable_offset`."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class IndexCheck(NamedTuple):
    """What a `.txnindex` should begin with: so many entries, with this CRC-32C."""

    base_offset: int
    entries: int
    crc: int


class Aborted:
    """Sorted by `last_offset`."""

    __slots__ = ("_entries", "_unwritten_from")

    def __init__(self) -> None:
        self._entries = bytearray()
        self._unwritten_from = 0  # in no file yet are those of markers from here on

    def __len__(self) -> int:
        return len(self._entries) // _ENTRY.size

    def add(self, txn: AbortedTxn) -> None:
        """Its marker is behind all others."""
        self._entries += _ENTRY.pack(_VERSION, *txn)

    def between(self, from_offset: int, up_to: int) -> list[AbortedTxn]:
        """Those of which something may lie in the offsets from `from_offset` to before `up_to`."""
        found = []
        for at in range(self._count_before(from_offset), len(self)):
            txn = self._at(at)
            if txn.first_offset < up_to:
                found.append(txn)
            if txn.last_stable_offset >= up_to:
                break  # what is aborted later begins later
        return found

    def forget_before(self, offset: int) -> None:
        """The segments up to `offset` are gone."""
        del self._entries[: self._count_before(offset) * _ENTRY.size]

    def remove(self, last_offsets: Sequence[int]) -> None:
        """Nothing is left of these, nor of their markers."""
        for last_offset in last_offsets:
            at = self._count_before(last_offset)
            if at < len(self) and self._last_offset(at) == last_offset:
                del self._entries[at * _ENTRY.size : (at + 1) * _ENTRY.size]
                self._unwritten_from = min(self._unwritten_from, last_offset)

    def rewrite_from(self, offset: int) -> None:
        """The file that tells of markers at `offset` is gone, and others behind it may be."""
        self._unwritten_from = min(self._unwritten_from, offset)

    # Files.

    @property
    def has_unwritten(self) -> bool:
        return len(self) > 0 and self._last_offset(len(self) - 1) >= self._unwritten_from

    def checks(self, base_offsets: Sequence[int]) -> list[IndexCheck]:
        """One for each segment that holds a marker of an abort; `base_offsets` are those of all segments."""
        return [IndexCheck(base, len(data) // _ENTRY.size, crc32c(data)) for base, data in self._files(base_offsets, 0)]

    def unwritten(self, base_offsets: Sequence[int]) -> list[tuple[int, bytes]]:
        """Base offset and content of the `.txnindex` files that are to be written."""
        return list(self._files(base_offsets, self._unwritten_from))

    def written(self, up_to: int) -> None:
        """The files tell of all markers before `up_to`."""
        self._unwritten_from = up_to

    def load(self, check: IndexCheck, data: bytes) -> bool:
        """Add the entries of a segment's `.txnindex`; False if they are not what `check` says."""
        size_bytes = check.entries * _ENTRY.size
        if len(data) < size_bytes or crc32c(data[:size_bytes]) != check.crc:
            return False
        self._entries += data[:size_bytes]
        return True

    def _files(self, base_offsets: Sequence[int], from_offset: int) -> Iterator[tuple[int, bytes]]:
        at = self._count_before(from_offset)
        while at < len(self):
            segment = bisect_right(base_offsets, self._last_offset(at))
            is_last = segment == len(base_offsets)
            end = len(self) if is_last else self._count_before(base_offsets[segment])
            base_offset = base_offsets[segment - 1]
            start = self._count_before(base_offset)
            yield base_offset, bytes(self._entries[start * _ENTRY.size : end * _ENTRY.size])
            at = end

    def _count_before(self, offset: int) -> int:
        """How many have their marker before `offset`."""
        count = len(self)
        if count == 0 or self._last_offset(count - 1) < offset:
            return count
        return bisect_left(range(count), offset, key=self._last_offset)

    def _last_offset(self, at: int) -> int:
        found: int = _LAST_OFFSET.unpack_from(self._entries, at * _ENTRY.size + _LAST_OFFSET_AT)[0]
        return found

    def _at(self, at: int) -> AbortedTxn:
        return AbortedTxn._make(_ENTRY.unpack_from(self._entries, at * _ENTRY.size)[1:])
