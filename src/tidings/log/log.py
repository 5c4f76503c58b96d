"""One partition's log: an append-only sequence of record batches on disk, numbered by offset.

Any thread may call any method. What readers and writers see changes under `_lock`, which is held for as long as it
takes to write or read what one client sent or asked for. What waits for the disk holds `_syncing`, one sync at a time,
so that nobody else has to wait. Locks are taken in the order `_syncing`, `_lock`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Literal, NamedTuple

from tidings.errors import DiskError
from tidings.log.aborted import AbortedTxn
from tidings.log.config import LogConfig
from tidings.log.conversion import converted
from tidings.log.epochs import EpochEnd
from tidings.log.files import Files
from tidings.log.producers import NO_TRANSACTION, ProducerState
from tidings.log.recorder import Recorder
from tidings.log.recovery import Recovered
from tidings.log.segment import SEGMENT_BYTES_MAX, Segment, TornError
from tidings.log.segments import Mark, Segments
from tidings.log.times import TimedOffset, first_at, latest
from tidings.log.transactions import Marker
from tidings.log.validation import check_batch
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import NO_TIMESTAMP, BatchHeader, read_header, restamp_append_time, stamp


class Appended(NamedTuple):
    """Where a batch went. `append_time_ms` is -1 unless the topic's timestamps are LogAppendTime."""

    base_offset: int
    last_offset: int
    append_time_ms: int
    duplicate: bool


class Log:
    """What is written, synced and read; `Partition` is this, and takes away what need not be kept.

    Public attributes are for reading. `log_start_offset` is the first offset served, `end_offset` the one the next
    record gets. Up to `high_watermark` everything is as safe as the durability promises, and only that is shown to
    consumers. While `offline_reason` says something, nothing is appended.
    """

    __slots__ = (
        "_epochs", "_files", "_fsync", "_lock", "_producers", "_recorder", "_segments", "_shown", "_synced_offset",
        "_syncing", "config", "end_offset", "high_watermark", "leader_epoch", "log_start_offset", "offline_reason",
        "path",
    )  # fmt: skip

    def __init__(
        self,
        files: Files,
        path: str,
        config: LogConfig,
        found: Recovered,
        durability: Literal["fsync", "os"],
        leader_epoch: int,
    ) -> None:
        self.path = path
        self.config = config
        self.leader_epoch = leader_epoch
        self.log_start_offset = found.log_start_offset
        self.end_offset = found.end_offset
        self.offline_reason: str | None = None
        self._files = files
        self._fsync = durability == "fsync"
        self._segments = Segments(found.segments)
        self._producers = found.producers
        self._epochs = found.epochs
        self._synced_offset = found.end_offset
        self._lock = threading.Lock()
        self._recorder = Recorder(files, path, found, self._segments, self._lock)
        self._show(self._segments.mark(self.end_offset))
        self._syncing = threading.Lock()

    @property
    def last_stable_offset(self) -> int:
        """Up to here every transaction is decided, and its marker shown."""
        high_watermark = self.high_watermark  # read first: a transaction is known of before its records are shown
        return max(min(high_watermark, self._producers.transactions.first_unstable), self.log_start_offset)

    @property
    def latest_epoch(self) -> int:
        """Of the last record; -1 if there is none."""
        return self._epochs.latest

    @property
    def size_bytes(self) -> int:
        return self._segments.size_bytes

    @property
    def has_unsynced_segments(self) -> bool:
        """Whether `sync` has work that nobody waits for: with durability `os`, call it now and then if so."""
        return self._recorder.has_unsealed

    # Writing.

    def append(self, batch: memoryview | bytearray, *, now_ms: int, check_sequences: bool = True) -> Appended:
        """Give the one batch its offsets, in place, and write it behind what is there.

        It is not durable, or shown to consumers, before a `sync`. A batch that its producer sent before is not written
        again: the offsets are those it got then, which a `sync` covers just as well. A transactional batch begins a
        transaction, if its producer has none here.

        Raises ApiError for what a producer must not send, and KAFKA_STORAGE_ERROR while offline; DiskError if it could
        not be written. In each case the log is as it was.
        """
        with self._lock:
            if self.offline_reason is not None:
                raise self._offline()
            config = self.config
            header = check_batch(batch, config, now_ms)
            if header.producer_id >= 0:
                known = self._producers.check(header, check_sequences)
                if known is not None:
                    time_ms = known.timestamp if config.append_time else NO_TIMESTAMP
                    return Appended(known.first_offset, known.last_offset, time_ms, True)
            if config.compression is not None:
                batch, header = converted(batch, header, config.compression, config)
            return self._write(batch, header, now_ms)

    def append_marker(
        self, producer_id: int, producer_epoch: int, *, commit: bool, coordinator_epoch: int = 0, now_ms: int
    ) -> Appended:
        """Decide the producer's transaction, if it has one here; `last_stable_offset` moves when this is shown.

        An epoch greater than that of the producer's batches is its epoch from now on (KIP-890).

        Raises ApiError: INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED from one that was replaced,
        KAFKA_STORAGE_ERROR; DiskError.
        """
        marker = Marker(producer_id, producer_epoch, commit, coordinator_epoch)
        batch = marker.encode(now_ms)
        with self._lock:
            self._must_be_online()
            self._producers.check_marker(marker)
            return self._write(batch, read_header(batch), now_ms, marker)

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk, and show it: the high watermark moves.

        After a DiskError the partition is offline. What had not been synced is cut off, as nobody can tell any more
        what of it reached the disk; open the partition anew (`clean=False`) to go on.
        """
        with self._syncing:
            with self._lock:
                self._must_be_online()
                mark = self._segments.mark(self.end_offset)
                closed = self._recorder.unsealed
                record = self._recorder.due(mark, self.config.recovery_bytes)
                if mark.offset == self._synced_offset and not closed and not self._recorder.has_unsynced_names:
                    return
            try:
                for segment, _ in closed:
                    segment.file.sync()
                if mark.segment is not None:
                    mark.segment.file.sync()
                self._recorder.sync_names()
            except DiskError as error:
                with self._lock:
                    self._fail(error)
                raise
            with self._lock:
                self._synced_offset = mark.offset
                if mark.offset > self.high_watermark:
                    self._show(mark)
            self._recorder.record(closed, record)

    def roll_if_due(self, now_ms: int) -> None:
        """Begin a new segment if the last one is as old as the topic allows. Raises DiskError; nothing is lost then."""
        if self.offline_reason is None and self._segments and self._is_due(self._segments.last, now_ms):
            self.sync()  # what is left to sync under the lock is then next to nothing
            with self._lock:
                if self._is_due(self._segments.last, now_ms):
                    self._roll()

    # Reading.

    def read(self, offset: int, bytes_max: int, *, up_to: int | None = None, at_least_one: bool = True) -> bytes:
        """Whole batches from the one that holds `offset` on, as they were written, of one segment.

        Nothing at or behind `up_to` (default: the high watermark) is read; at the end, b"". The first batch comes whole
        even if it is larger than `bytes_max`, if `at_least_one` (KIP-74).

        Raises ApiError OFFSET_OUT_OF_RANGE for an offset that is not in the log, DiskError for a damaged batch.
        """
        with self._lock:
            shown = self._shown
            if not self.log_start_offset <= offset <= self.end_offset:
                raise ApiError(
                    ErrorCode.OFFSET_OUT_OF_RANGE,
                    f"offset {offset} is not within {self.log_start_offset} to {self.end_offset}",
                )
            if up_to is None:
                up_to = shown.offset
            return self._segments.read(offset, bytes_max, up_to, shown, at_least_one)

    def offset_for_time(self, timestamp_ms: int) -> TimedOffset | None:
        """The first offset shown whose timestamp is at or after `timestamp_ms`. Raises DiskError."""
        with self._lock:
            return first_at(self._segments.as_sequence(), timestamp_ms, self.log_start_offset, self._shown_end)

    def offset_of_max_timestamp(self) -> TimedOffset | None:
        """The first offset shown that has the greatest timestamp (KIP-734). Raises DiskError."""
        with self._lock:
            return latest(self._segments.as_sequence(), self.log_start_offset, self._shown_end)

    # Transactions.

    def aborted(self, from_offset: int, up_to: int) -> list[AbortedTxn]:
        """The aborted transactions of which something may lie from `from_offset` to before `up_to`, for Fetch."""
        with self._lock:
            return self._producers.transactions.aborted.between(from_offset, up_to)

    def has_open_transaction(self, producer_id: int) -> bool:
        """Whether the producer has written in a transaction here that has no marker yet."""
        with self._lock:
            return self._producers.has_open_transaction(producer_id)

    def producers(self) -> list[ProducerState]:
        """All that are known, for DescribeProducers."""
        with self._lock:
            return self._producers.states()

    def open_transactions(self) -> list[ProducerState]:
        """The producers that have a transaction under way here."""
        return [state for state in self.producers() if state.first_offset != NO_TRANSACTION]

    def epoch_end(self, leader_epoch: int) -> EpochEnd:
        """Where the last epoch not after `leader_epoch` ended, for OffsetForLeaderEpoch (KIP-320)."""
        return self._epochs.end_of(leader_epoch, self.end_offset)

    # Within.

    def _must_be_online(self) -> None:
        if self.offline_reason is not None:
            raise self._offline()

    def _offline(self) -> ApiError:
        return ApiError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.path} is offline: {self.offline_reason}")

    def _write(
        self, batch: memoryview | bytearray, header: BatchHeader, now_ms: int, marker: Marker | None = None
    ) -> Appended:
        """Append what was found valid."""
        base_offset = self.end_offset
        last_offset = base_offset + header.last_offset_delta
        max_timestamp, append_time = header.max_timestamp, NO_TIMESTAMP
        epoch = self.leader_epoch
        size_bytes = len(batch)
        stamp(batch, 0, base_offset, epoch)
        if self.config.append_time:
            max_timestamp = append_time = now_ms
            restamp_append_time(batch, 0, header, now_ms)
        segment = self._segment_for(size_bytes, last_offset, now_ms)
        try:
            position = segment.append(batch)
        except TornError as error:
            self.offline_reason = str(error)
            raise
        segment.note(position, size_bytes, last_offset, max_timestamp)
        if header.producer_id >= 0:
            self._producers.appended(header, last_offset, max_timestamp, now_ms)
        if marker is not None:
            self._producers.ended(marker, base_offset, now_ms)
        if epoch != self._epochs.latest:
            self._epochs.assign(epoch, base_offset)
        self.end_offset = last_offset + 1
        if not self._fsync:
            self._show(Mark(last_offset + 1, segment, position + size_bytes))
        return Appended(base_offset, last_offset, append_time, False)

    def _show(self, mark: Mark) -> None:
        self._shown = mark
        self.high_watermark = mark.offset
        self._producers.transactions.shown(mark.offset)

    def _shown_end(self, segment: Segment) -> int:
        """The position in `segment` where what is shown ends."""
        shown = self._shown
        if segment is shown.segment:
            return shown.position
        return segment.size_bytes if segment.end_offset <= shown.offset else 0

    def _segment_for(self, size_bytes: int, last_offset: int, now_ms: int) -> Segment:
        """Where to append. Raises DiskError if a new segment is needed and cannot be made; nothing has changed then."""
        if not self._segments:
            self._files.mkdir(self.path)
            self._add_segment()
        segment = self._segments.last
        segment_bytes = segment.file.size
        if segment_bytes and (
            segment_bytes + size_bytes > self.config.segment_bytes
            or segment_bytes + size_bytes > SEGMENT_BYTES_MAX
            or last_offset - segment.base_offset >= SEGMENT_BYTES_MAX
            or now_ms - segment.first_append_ms >= self.config.segment_age_ms_max
        ):
            self._roll()
            segment = self._segments.last
            segment_bytes = 0
        if segment_bytes == 0:
            segment.first_append_ms = now_ms
        return segment

    def _is_due(self, segment: Segment, now_ms: int) -> bool:
        return segment.size_bytes > 0 and now_ms - segment.first_append_ms >= self.config.segment_age_ms_max

    def _add_segment(self) -> None:
        segment = Segment.create(self._files, self.path, self.end_offset, self.config.index_interval_bytes)
        self._segments.add(segment)
        self._recorder.name_made()

    def _roll(self) -> None:
        """Begin a new segment.

        With durability `fsync` the last one is on the disk before: after a power cut, then, only the end of the last
        segment can be torn, and damage anywhere else is known to be damage. What is synced here is what came since the
        last group commit: little.
        """
        last = self._segments.last
        if self._fsync:
            try:
                last.file.sync()
                self._recorder.sync_names()
            except DiskError as error:
                self._fail(error)
                raise
        self._add_segment()
        self._recorder.rolled(last)

    def _fail(self, error: DiskError) -> None:
        """A sync failed: go offline, and cut off what was never acknowledged (the page cache may show it as whole)."""
        self.offline_reason = str(error)
        shown = self._shown
        self.end_offset = shown.offset
        with suppress(DiskError):  # it stays offline in any case; opening it anew decides what is valid
            self._segments.cut(shown)
