"""One partition: its log, and all that takes records away from it (retention, deletion, purging, compaction).

    partition = Partition.open(DiskFiles(), "data/orders-0", LogConfig(), now_ms=now_ms, clean=False)
    appended = partition.append(batch, now_ms=now_ms)
    partition.sync()
    partition.read(appended.base_offset, 1 << 20)

Any thread may call any method. What goes through many files builds beside the log and swaps under its lock: `_tidying`
lets one at a time remove or replace segments. Locks are taken in the order `_tidying`, `_syncing`, `_lock`.
"""

from __future__ import annotations

import logging
import threading
from typing import Literal

from tidings.errors import DiskError
from tidings.log.cleaner_checkpoint import CleanerCheckpoint
from tidings.log.compaction import KEYS_MAX, Compacted, Compaction, Pause, Round, Stopped, due_round
from tidings.log.config import LogConfig
from tidings.log.files import Files, parent, remove_tree
from tidings.log.log import Log
from tidings.log.recovery import Recovered, recover
from tidings.log.retention import DELETED, expired_segments
from tidings.log.segment import Segment
from tidings.log.segments import Mark
from tidings.wire.error_codes import ApiError, ErrorCode

log = logging.getLogger(__name__)


PURGED_BYTES_MIN = 1 << 20
"""A segment of which nothing is needed any more is not ended for less."""


class Partition(Log):
    """See the module, and `Log`."""

    __slots__ = ("_cleaned", "_is_closing", "_tidying")

    @classmethod
    def open(
        cls,
        files: Files,
        path: str,
        config: LogConfig,
        *,
        now_ms: int,
        clean: bool,
        durability: Literal["fsync", "os"] = "fsync",
        leader_epoch: int = 0,
    ) -> Partition:
        """Open the partition in folder `path`, or begin an empty one: its folder is made with the first append.

        `clean` says that the last process to have it closed it cleanly. If not, what is not known to be on the disk is
        verified, and an unfinished write at the end is cut off. Raises DiskError if anything else is damaged.
        """
        found = recover(files, path, config, now_ms=now_ms, clean=clean, leader_epoch_max=leader_epoch)
        partition = cls(files, path, config, found, durability, leader_epoch)
        partition._settle()
        return partition

    def __init__(
        self,
        files: Files,
        path: str,
        config: LogConfig,
        found: Recovered,
        durability: Literal["fsync", "os"],
        leader_epoch: int,
    ) -> None:
        super().__init__(files, path, config, found, durability, leader_epoch)
        self._cleaned = found.cleaned
        self._tidying = threading.Lock()
        self._is_closing = False

    def close(self, clean: bool = True) -> None:
        """Give back what is open. With `clean`, what was appended is synced, and the next `open` need not verify.

        Raises DiskError, with everything given back, if that could not be done.
        """
        self._is_closing = True  # a compaction stops where it is
        with self._tidying:
            try:
                if clean and self.offline_reason is None:
                    self.sync()
                    with self._syncing:
                        self._recorder.finish(self.end_offset)
            finally:
                with self._syncing, self._lock:
                    self.offline_reason = self.offline_reason or "closed"
                    self._segments.close()

    def delete(self, unique_id: str) -> None:
        """Remove the partition. Once its folder is renamed, a crash cannot bring it back. Raises DiskError."""
        self.close(clean=False)
        if not self._files.exists(self.path):
            return
        doomed = f"{self.path}.{unique_id}{DELETED}"
        self._files.rename(self.path, doomed)
        self._files.sync_dir(parent(self.path))
        remove_tree(self._files, doomed)

    # Forgetting.

    def delete_before(self, offset: int) -> int:
        """Serve nothing before `offset` any more (-1: the high watermark); returns the new log_start_offset.

        Durable when it returns; files that compaction is busy with are left to `retain`. It waits for the disk. Raises
        ApiError OFFSET_OUT_OF_RANGE, DiskError.
        """
        if offset == -1:
            offset = self.high_watermark
        if not 0 <= offset <= self.high_watermark:
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is not within 0 to {self.high_watermark}")
        if self._tidying.acquire(blocking=False):
            try:
                self._begin_at(offset)
            finally:
                self._tidying.release()
        else:
            self._move_start(offset)
        return self.log_start_offset

    def purge(self, offset: int) -> None:
        """Records before `offset` have served: delete them, and give their space back. Raises ApiError, DiskError."""
        offset = min(offset, self.high_watermark)
        if offset <= self.log_start_offset:
            return
        if self._has_served(offset):
            self.sync()
            with self._lock:
                if self._has_served(offset):
                    self._roll()  # what is left can be removed then
        self.delete_before(offset)

    def _has_served(self, offset: int) -> bool:
        return offset == self.end_offset and self._segments.last.size_bytes >= PURGED_BYTES_MIN

    def retain(self, now_ms: int) -> None:
        """Remove what the topic's retention no longer keeps; forget producers long unseen. Raises DiskError."""
        with self._lock:
            self._producers.expire(now_ms - self.config.producer_expiration_ms)
        if self._tidying.acquire(blocking=False):
            try:
                self._begin_at(self._retained_from(now_ms))
            finally:
                self._tidying.release()

    def _retained_from(self, now_ms: int) -> int:
        segments = list(self._segments)
        count = expired_segments(segments, self.config, now_ms, self.high_watermark)
        if count == 0 or self.offline_reason is not None:
            return self.log_start_offset
        end_offset = segments[count - 1].end_offset
        if count == len(segments):
            with self._lock:
                if end_offset != self.end_offset:
                    return segments[-1].base_offset  # it has grown: it is not that old
                self._roll()
        return end_offset

    def compact(self, now_ms: int, *, pause: Pause = lambda bytes: None, keys_max: int = KEYS_MAX) -> Compacted | None:
        """Do a round of compaction if one is due, and say what it did; see `compaction`.

        `pause` is told of every batch gone through. Readers and writers go on meanwhile. Raises DiskError.
        """
        if not self.config.compacts or not self._tidying.acquire(blocking=False):
            return None
        try:
            round = due_round(self._possible_round(), self.config, now_ms)
            return self._compact(round, now_ms, pause, keys_max) if round else None
        except Stopped:
            return None
        finally:
            self._tidying.release()

    # Within.

    def _settle(self) -> None:
        """After a crash: finish a deletion that it interrupted, and let the next one need less work than this."""
        try:
            self._recorder.finish(self.end_offset)
            if self._segments.ending_before(self.log_start_offset):
                self._begin_at(self.log_start_offset)
        except DiskError as error:
            log.warning("%s: %s", self.path, error)

    def _possible_round(self) -> Round:
        """What compaction may look at: what is on the disk, closed and decided."""
        with self._lock:
            sealed_to = self._recorder.sealed_before(self.end_offset)
            closed = self._segments.ending_before(min(self.last_stable_offset, sealed_to))
            dirty_from = max(self._cleaned.clean_to, self.log_start_offset)
            aborted = self._producers.transactions.aborted.between(0, closed[-1].end_offset) if closed else []
            return Round(closed, dirty_from, self._producers.last_offsets(), aborted)

    def _compact(self, round: Round, now_ms: int, pause: Pause, keys_max: int) -> Compacted:
        def paused(bytes: int) -> None:
            if self._is_closing or self.offline_reason is not None:
                raise Stopped
            pause(bytes)

        compaction = Compaction(self._files, self.path, self.config, round, now_ms, paused, keys_max)
        compaction.map_keys()
        self._note_cleaned(CleanerCheckpoint(self._cleaned.clean_to, round.end_offset, swapping=True))
        for old, new in compaction.write():
            self._replace(old, new, compaction.forgotten)
        self._note_cleaned(CleanerCheckpoint(compaction.done.clean_to, round.end_offset))
        return compaction.done

    def _note_cleaned(self, cleaned: CleanerCheckpoint) -> None:
        cleaned = cleaned._replace(gaps_to=max(cleaned.gaps_to, self._cleaned.gaps_to))
        cleaned.write(self._files, self.path)
        self._cleaned = cleaned

    def _replace(self, old: list[Segment], new: Segment, forgotten: list[int]) -> None:
        """Let `new`, which is on the disk, take the place of `old`; forget markers of aborts. Raises DiskError."""
        indexes = new.encode_indexes()
        old[0].file.pread(0, 1)  # it is open then, and renaming over it need not wait for its blocks to be freed
        with self._syncing, self._lock:
            new.take_place()
            self._segments.replace(old, new)
            if self._shown.segment in old:
                self._shown = Mark(self._shown.offset, new, new.size_bytes)
            self._recorder.replaced(new, forgotten)
        forgotten.clear()
        old[0].file.close()
        new.write_indexes(indexes)
        self._files.sync_dir(self.path)
        for segment in old[1:]:
            segment.remove()

    def _move_start(self, offset: int) -> None:
        """Serve nothing before `offset`: first on the disk, then here."""
        start = self._recorder.begin_at(offset)
        with self._lock:
            self.log_start_offset = max(self.log_start_offset, start)
            self._epochs.truncate_start(self.log_start_offset)

    def _begin_at(self, offset: int) -> None:
        """The same, and remove the segments before it."""
        with self._syncing:
            doomed = self._segments.ending_before(max(offset, self.log_start_offset))
            self._recorder.keep_producers(doomed)
            self._move_start(offset)
            with self._lock:
                self._segments.forget(doomed)
                self._recorder.forget(doomed)
        for segment in doomed:
            segment.remove()
