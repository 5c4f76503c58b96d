"""What a member says of the records it was given: ranges of offsets, each with one kind for all, or one for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

from tidings.wire.error_codes import ApiError, ErrorCode


class Kind(IntEnum):
    """Numbered as in the protocol."""

    GAP = 0
    """The member found no record there."""
    ACCEPT = 1
    RELEASE = 2
    """Somebody should try again."""
    REJECT = 3
    """Nobody should."""
    RENEW = 4
    """It is at work, and wants more time (KIP-1222)."""


class Acknowledgement(NamedTuple):
    first_offset: int
    last_offset: int
    kinds: Sequence[int]

    def runs(self) -> Iterator[tuple[int, int, Kind]]:
        """Neighbours of one kind, as first offset, last offset and kind."""
        if len(self.kinds) == 1:
            yield self.first_offset, self.last_offset, Kind(self.kinds[0])
            return
        first = self.first_offset
        for kind, alike in groupby(self.kinds):
            last = first + sum(1 for _ in alike) - 1
            yield first, last, Kind(kind)
            first = last + 1


def check(acknowledgements: Sequence[Acknowledgement], *, renews: bool) -> None:
    """Raises ApiError INVALID_REQUEST for what no client means. `renews`: the request says that it renews."""
    previous = -1
    for first, last, kinds in acknowledgements:
        if not previous <= first <= last:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"offsets {first} to {last} after {previous}")
        if len(kinds) != 1 and len(kinds) != last - first + 1:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{len(kinds)} kinds for offsets {first} to {last}")
        highest = Kind.RENEW if renews else Kind.REJECT
        if not all(Kind.GAP <= kind <= highest for kind in kinds):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"an acknowledgement of a kind that is not from 0 to {highest}")
        previous = last
