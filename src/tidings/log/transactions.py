"""The transactions of one partition (KIP-98): which are under way, and up to where all is decided.

A producer's first transactional batch begins its transaction in this partition. The broker ends it with a *marker*: a
control batch of one record that says commit or abort. Up to the *last stable offset* nothing is undecided; a marker
counts when it is shown, as any record.
"""

from __future__ import annotations

from struct import Struct, error
from typing import NamedTuple

from tidings.log.aborted import Aborted, AbortedTxn
from tidings.wire.primitives import Buffer
from tidings.wire.records import Record, encode_batch, read_header, records

NEVER = 1 << 63
"""An offset behind all others."""

_VERSION = 0
_KEY = Struct(">hh")  # version, kind
_ABORT, _COMMIT = 0, 1
_VALUE = Struct(">hi")  # version, coordinator epoch


class Marker(NamedTuple):
    """The end of a producer's transaction, as the coordinator of `coordinator_epoch` decided it."""

    producer_id: int
    producer_epoch: int
    commit: bool
    coordinator_epoch: int

    def encode(self, now_ms: int) -> bytearray:
        """The batch that says so, in Kafka's format."""
        key = _KEY.pack(_VERSION, _COMMIT if self.commit else _ABORT)
        return encode_batch(
            [Record(0, now_ms, key, _VALUE.pack(_VERSION, self.coordinator_epoch), ())],
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            is_transactional=True,
            is_control=True,
        )


def read_marker(batch: Buffer) -> Marker | None:
    """What a control batch says; None if it marks no end of a transaction, or compaction has emptied it.

    Raises MalformedError if it is damaged.
    """
    header = read_header(batch)
    for record in records(batch):
        try:
            _, kind = _KEY.unpack_from(record.key or b"")
            _, coordinator_epoch = _VALUE.unpack_from(record.value or b"")
        except error:
            return None
        if kind in (_ABORT, _COMMIT):
            return Marker(header.producer_id, header.producer_epoch, kind == _COMMIT, coordinator_epoch)
    return None


class Transactions:
    """`first_unstable` is the first offset of a transaction that is undecided, or whose marker is not shown yet."""

    __slots__ = ("_decided", "_undecided", "_unstable", "aborted", "first_unstable")

    def __init__(self) -> None:
        self.first_unstable = NEVER
        self.aborted = Aborted()
        # By first offset, ascending: they begin in that order.
        self._undecided: dict[int, None] = {}
        self._unstable: dict[int, None] = {}
        self._decided: list[tuple[int, int]] = []  # offset of the marker, first offset

    def began(self, first_offset: int) -> None:
        """A transaction begins, behind all others."""
        self._undecided[first_offset] = self._unstable[first_offset] = None
        self.first_unstable = min(self.first_unstable, first_offset)

    def ended(self, producer_id: int, first_offset: int, marker_offset: int, commit: bool) -> None:
        """One that began with `first_offset` is decided, by the marker that was just written."""
        del self._undecided[first_offset]
        self._decided.append((marker_offset, first_offset))
        if not commit:
            stable = next(iter(self._undecided), marker_offset + 1)
            self.aborted.add(AbortedTxn(producer_id, first_offset, marker_offset, stable))

    def shown(self, high_watermark: int) -> None:
        """Markers before `high_watermark` count from now on."""
        decided = self._decided
        if not decided or decided[0][0] >= high_watermark:
            return
        count = 0
        for marker_offset, first_offset in decided:
            if marker_offset >= high_watermark:
                break
            del self._unstable[first_offset]
            count += 1
        del decided[:count]
        self.first_unstable = next(iter(self._unstable), NEVER)
