"""The files beside a partition's segments, kept up as it grows: so that opening need not go through all of the log.

Nothing here is needed to know what the log says, only to know it soon. What fails to be written is more work after a
crash. The order is what counts: segments are synced first, then `.txnindex` files are written, then the snapshot that
says how to check them, then the checkpoint that lets recovery begin there.
"""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

from tidings.errors import DiskError
from tidings.log.files import Files, parent
from tidings.log.recovery import Recovered
from tidings.log.segment import Segment
from tidings.log.segments import Mark, Segments
from tidings.log.side_files import SideFiles

log = logging.getLogger(__name__)


class Record(NamedTuple):
    """What is written when a part of the last segment need not be looked at by recovery any more."""

    segment: Segment
    indexes: tuple[bytes, bytes]
    offset: int
    producers: bytes


class Recorder:
    """`lock` is that of the partition, under which it changes. What writes here is called by one thread at a time."""

    __slots__ = (
        "_epochs", "_files", "_finished_offset", "_folder", "_lock", "_names_made", "_names_synced", "_position",
        "_producers", "_segments", "_side_files", "_unsealed",
    )  # fmt: skip

    def __init__(self, files: Files, folder: str, found: Recovered, segments: Segments, lock: threading.Lock) -> None:
        self._files = files
        self._folder = folder
        self._lock = lock
        self._segments = segments
        self._producers = found.producers
        self._epochs = found.epochs
        self._side_files = SideFiles(files, folder, found.checkpoint)
        self._unsealed: list[tuple[Segment, bytes]] = []  # segments not known to be synced; producers when they ended
        self._position = 0  # in the last segment: recovery begins there
        self._names_made = 0  # of folder and segments, since opened
        self._names_synced = 0  # of those, how many are on the disk
        self._finished_offset = -1 if found.verified else found.end_offset  # the folder tells all up to there

    # Under the partition's lock.

    @property
    def unsealed(self) -> list[tuple[Segment, bytes]]:
        """Segments before the last that are not known to be on the disk; producers when they ended."""
        return self._unsealed.copy()

    @property
    def has_unsealed(self) -> bool:
        return bool(self._unsealed)

    @property
    def has_unsynced_names(self) -> bool:
        return self._names_made > self._names_synced

    def sealed_before(self, end_offset: int) -> int:
        """Up to where segments are on the disk, of a log that ends at `end_offset`."""
        return self._unsealed[0][0].base_offset if self._unsealed else end_offset

    def name_made(self) -> None:
        """There is a new file, or a folder with one."""
        self._names_made += 1

    def rolled(self, closed: Segment) -> None:
        """A new segment has begun behind `closed`."""
        self._unsealed.append((closed, self._encode_producers()))
        self._position = 0

    def due(self, mark: Mark, interval_bytes: int) -> Record | None:
        """What to write, once what is there now is synced, so that recovery may begin at `mark`."""
        segment = mark.segment
        if segment is None or mark.position - self._position < interval_bytes:
            return None
        self._position = mark.position
        return Record(segment, segment.encode_indexes(), mark.offset, self._encode_producers())

    def forget(self, doomed: list[Segment]) -> None:
        """Segments are about to be removed."""
        self._unsealed = [entry for entry in self._unsealed if entry[0] not in doomed]
        if doomed:
            self._producers.transactions.aborted.forget_before(doomed[-1].end_offset)

    def replaced(self, segment: Segment, forgotten: list[int]) -> None:
        """`segment` took the place of others; of aborted transactions whose markers were at `forgotten`, none is left.

        What is written of them is to be written again.
        """
        self._producers.transactions.aborted.remove(forgotten)
        self._producers.transactions.aborted.rewrite_from(segment.base_offset)
        self._finished_offset = -1

    # Outside of it.

    def sync_names(self) -> None:
        """Nothing counts that is in a file whose name, or folder's name, a power cut would take away."""
        made = self._names_made
        if made > self._names_synced:
            self._files.sync_dir(self._folder)
            self._files.sync_dir(parent(self._folder))
            self._names_synced = max(made, self._names_synced)

    def record(self, closed: list[tuple[Segment, bytes]], record: Record | None) -> None:
        """Write of what is synced now what saves work after a crash; log what fails."""
        if record is None and not closed:
            return
        try:
            for segment, _ in closed:
                segment.write_indexes(segment.encode_indexes())
            self._write_txn_indexes()
            if record is not None:
                record.segment.write_indexes(record.indexes)
                self._side_files.record(record.offset, record.producers, self._epochs)
            else:
                segment, producers = closed[-1]
                self._side_files.record(segment.end_offset, producers, self._epochs)
        except DiskError as error:
            log.warning("%s: %s", self._folder, error)
            return
        with self._lock:
            del self._unsealed[: len(closed)]

    def finish(self, end_offset: int) -> None:
        """Everything is synced: leave the folder so that the next `open` has little to do. Raises DiskError."""
        has_news = end_offset != self._finished_offset or self._producers.transactions.aborted.has_unwritten
        if self._segments and has_news:
            last = self._segments.last
            last.write_indexes(last.encode_indexes())
            self._write_txn_indexes()
            self._side_files.record(end_offset, self._encode_producers(), self._epochs)
            self._position = last.size_bytes
            self._finished_offset = end_offset

    def keep_producers(self, doomed: list[Segment]) -> None:
        """Before segments are removed, write what only they tell. Raises DiskError."""
        for segment, producers in reversed(self._unsealed):
            if segment in doomed:
                self._write_txn_indexes()
                self._side_files.keep_producers(segment.end_offset, producers)
                break
        self.sync_names()

    def begin_at(self, offset: int) -> int:
        """Let nothing before be served, from now on; returns where the log begins. Raises DiskError."""
        return self._side_files.begin_at(offset)

    def _encode_producers(self) -> bytes:
        return self._producers.encode(self._segments.base_offsets)

    def _write_txn_indexes(self) -> None:
        """Before a snapshot that relies on them."""
        aborted = self._producers.transactions.aborted
        with self._lock:
            unwritten = aborted.unwritten(self._segments.base_offsets)
            end_offset = self._segments.last.end_offset
        for base_offset, data in unwritten:
            self._side_files.write_txn_index(base_offset, data)
        with self._lock:
            aborted.written(end_offset)
