"""Which leader epoch began at which offset (KIP-101), kept in Kafka's `leader-epoch-checkpoint`:

0            the version of the format
1            how many lines follow
3 1200       epoch 3 began at offset 1200
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

UNDEFINED = -1


class EpochEnd(NamedTuple):
    """Where an epoch ended; both UNDEFINED where that is not known."""

    leader_epoch: int
    end_offset: int


class Epochs:
    """The epochs of one partition, ascending. `changed` says whether the file lacks some of it."""

    __slots__ = ("changed", "latest", "starts")

    def __init__(self, starts: list[tuple[int, int]] | None = None) -> None:
        self.starts = starts or []
        self.latest = self.starts[-1][0] if self.starts else UNDEFINED
        self.changed = False

    def assign(self, epoch: int, offset: int) -> None:
        """A batch of `epoch` begins at `offset`; offsets never go back. Only a later epoch than all before counts."""
        if epoch > self.latest:
            self.starts.append((epoch, offset))
            self.latest = epoch
            self.changed = True

    def end_of(self, epoch: int, end_offset: int) -> EpochEnd:
        """The end of the last epoch not after `epoch`, as OffsetForLeaderEpoch wants it. `end_offset` is the log's."""
        if epoch == UNDEFINED or epoch > self.latest:
            return EpochEnd(UNDEFINED, UNDEFINED)
        if epoch == self.latest:
            return EpochEnd(epoch, end_offset)
        following = bisect_right(self.starts, epoch, key=lambda start: start[0])
        known = self.starts[following - 1][0] if following else epoch
        return EpochEnd(known, self.starts[following][1])

    def truncate_start(self, log_start_offset: int) -> None:
        """Forget epochs that ended before the log begins."""
        while len(self.starts) > 1 and self.starts[1][1] <= log_start_offset:
            del self.starts[0]
            self.changed = True
        if self.starts and self.starts[0][1] < log_start_offset:
            self.starts[0] = (self.starts[0][0], log_start_offset)
            self.changed = True

    def truncate_end(self, end_offset: int) -> None:
        """Forget epochs that begin at or after `end_offset`."""
        while self.starts and self.starts[-1][1] >= end_offset:
            self.starts.pop()
            self.changed = True
        self.latest = self.starts[-1][0] if self.starts else UNDEFINED

    def encode(self) -> bytes:
        lines = ["0", str(len(self.starts)), *(f"{epoch} {offset}" for epoch, offset in self.starts)]
        return "".join(line + "\n" for line in lines).encode()

    @classmethod
    def decode(cls, data: bytes) -> Epochs | None:
        """None if it is not such a file."""
        try:
            version, count, *lines = data.decode("ascii").splitlines()
            starts = []
            for line in lines:
                epoch, offset = line.split(" ")
                starts.append((int(epoch), int(offset)))
            plausible = version == "0" and int(count) == len(starts)
        except ValueError:
            return None
        ascends = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(starts))
        return cls(starts) if plausible and ascends else None
