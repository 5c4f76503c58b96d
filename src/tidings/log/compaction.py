"""Compaction: of each key, the latest record stays; older ones go, and deleted keys (no value) some time after them.

A round looks at the segments that are not written to any more. It notes the last offset of each key in those not yet
clean, then writes all of them anew without what is superseded, several small ones as one, and each takes the place of
those it was written from. Offsets never change; batches keep their first and last, so what is missing shows only as
gaps. The last batch of a new segment is kept, be it empty, so that a segment always says up to where it reaches: after
a crash that is how those it replaced are known.

Kept beside the latest record of each key, as in Kafka: the batch that says what an idempotent producer sent last (be it
empty), tombstones until `delete.retention.ms` after they were first met (KIP-534), and markers of transactions (see
`cleaned_transactions`). Unlike there, records without a key stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from tidings.errors import DiskError
from tidings.log.aborted import AbortedTxn
from tidings.log.cleaned_transactions import CleanedTransactions
from tidings.log.config import LogConfig
from tidings.log.files import Files
from tidings.log.key_map import KeyMap
from tidings.log.segment import CLEANED, SEGMENT_BYTES_MAX, Segment, file_name
from tidings.wire.primitives import MalformedError
from tidings.wire.records import BatchHeader, batches, crc_matches, read_header
from tidings.wire.thinning import Slot, emptied, inflated, slots, thinned

KEYS_MAX = 400_000
"""Of one round: some 50 MB. With more keys, rounds follow one another, each over what the last one left."""

READ_BYTES = 1 << 20
WRITE_BYTES = 1 << 20

Pause = Callable[[int], None]
"""Told how many bytes were just gone through; lets others have their turn. It may raise Stopped."""


class Stopped(Exception):
    """There is no time for the rest. Nothing is lost but the work."""


class Round(NamedTuple):
    """What is to be compacted: `segments` from the first on, of which the offsets before `dirty_from` are clean."""

    segments: list[Segment]
    dirty_from: int
    producers: Mapping[int, tuple[int, int]]
    """Of each producer the epoch, and the last offset of what it sent last in it, or -1."""
    aborted: Sequence[AbortedTxn]
    """The aborted transactions of which something may be here."""

    @property
    def end_offset(self) -> int:
        return self.segments[-1].end_offset


@dataclass(slots=True)
class Compacted:
    """What a round did."""

    bytes_before: int = 0
    bytes_after: int = 0
    records_before: int = 0
    records_after: int = 0
    clean_to: int = 0


def due_round(possible: Round, config: LogConfig, now_ms: int) -> Round | None:
    """The part of a possible round that is to be done now, if any. Raises DiskError."""
    dirty_from = possible.dirty_from
    segments = []
    for segment in possible.segments:
        is_young = (
            segment.end_offset > dirty_from and segment.latest_timestamp() > now_ms - config.compaction_lag_ms_min
        )
        if config.compaction_lag_ms_min and is_young:
            break
        segments.append(segment)
    dirty = [segment for segment in segments if segment.end_offset > dirty_from]
    if not dirty:
        return None
    dirty_bytes = sum(segment.size_bytes for segment in dirty)
    all_bytes = sum(segment.size_bytes for segment in segments)
    if dirty_bytes > config.dirty_ratio_min * all_bytes or _waits_too_long(dirty[0], config, now_ms):
        return possible._replace(segments=segments)
    return None


def _waits_too_long(segment: Segment, config: LogConfig, now_ms: int) -> bool:
    first = segment.first_header()
    return first is not None and 0 <= first.max_timestamp < now_ms - config.compaction_lag_ms_max


class Compaction:
    """One round over a partition's folder. It writes new files, and touches none that is there."""

    def __init__(
        self, files: Files, folder: str, config: LogConfig, round: Round, now_ms: int, pause: Pause, keys_max: int
    ) -> None:
        self._files = files
        self._folder = folder
        self._config = config
        self._round = round
        self._now_ms = now_ms
        self._pause = pause
        self._keys = KeyMap(keys_max)
        self.done = Compacted()
        self.forgotten: list[int] = []
        """Offsets of markers that nobody needs to be told of any more. Whoever swaps segments takes them out."""
        self._transactions = CleanedTransactions(round.aborted)

    def map_keys(self) -> None:
        """First: find the last offset of each key. Raises DiskError."""
        dirty_from = self._round.dirty_from
        self.done.clean_to = dirty_from
        dirty = [segment for segment in self._round.segments if segment.end_offset > dirty_from]
        first_offset = dirty[0].base_offset
        transactions = CleanedTransactions(txn for txn in self._round.aborted if txn.last_offset >= first_offset)
        for segment in dirty:
            for batch, header in stored_batches(segment, self._pause):
                if header.last_offset >= dirty_from:
                    if self._keys.is_full:
                        return
                    if not header.is_control and not transactions.is_aborted(header):
                        self._map(batch, header)
                    self.done.clean_to = header.last_offset + 1
            self.done.clean_to = segment.end_offset

    def write(self) -> Iterator[tuple[list[Segment], Segment]]:
        """Then: some segments and the one that is to take their place, complete and on the disk. Raises DiskError.

        Segments become one as long as what is left of them, and all of the next, fits: in bytes, and in offsets that
        indexes can tell.
        """
        bytes_max = min(self._config.segment_bytes, SEGMENT_BYTES_MAX)
        group: list[Segment] = []
        written: _Written | None = None
        try:
            for segment in self._round.segments:
                if segment.base_offset >= self.done.clean_to:
                    break
                if written is not None:
                    span = segment.end_offset - group[0].base_offset
                    if written.size_bytes + segment.size_bytes > bytes_max or span > SEGMENT_BYTES_MAX:
                        ready = group, self._finished(written)
                        group, written = [], None
                        yield ready
                if written is None:
                    written = _Written(self._files, self._folder, segment.base_offset, self._config)
                group.append(segment)
                self._copy(segment, written)
            if written is not None:
                ready = group, self._finished(written)
                written = None
                yield ready
        finally:
            if written is not None:
                written.discard()

    def _map(self, batch: memoryview, header: BatchHeader) -> None:
        put = self._keys.put
        base_offset = header.base_offset
        for offset_delta, _, key, _, _, _, _ in slots(inflated(batch, header), header.record_count):
            if key is not None:
                put(key, base_offset + offset_delta)

    def _copy(self, segment: Segment, written: _Written) -> None:
        self.done.bytes_before += segment.size_bytes
        for batch, header in stored_batches(segment, self._pause):
            self.done.records_before += header.record_count
            kept = self._kept(batch, header)
            if kept is not None:
                written.add(kept)
            elif header.last_offset + 1 == segment.end_offset:
                written.end = emptied(header)

    def _finished(self, written: _Written) -> Segment:
        written.finish()
        self.done.bytes_after += written.size_bytes
        self.done.records_after += written.record_count
        return written.segment

    def _kept(self, batch: memoryview, header: BatchHeader) -> memoryview | bytearray | None:
        """What is left of a batch; None if nothing is."""
        if header.is_control:
            return self._kept_marker(batch, header)
        is_aborted = self._transactions.is_aborted(header)
        if header.base_offset >= self.done.clean_to:
            return batch
        if not is_aborted:
            body = inflated(batch, header)
            kept, has_tombstone = self._latest(slots(body, header.record_count), header)
            horizon_ms = self._new_horizon(header) if has_tombstone else None
            if kept:
                if len(kept) == header.record_count and horizon_ms is None:
                    return batch
                return thinned(header, body, kept, horizon_ms)
        if self._round.producers.get(header.producer_id) == (header.producer_epoch, header.last_offset):
            return emptied(header)
        return None

    def _kept_marker(self, batch: memoryview, header: BatchHeader) -> memoryview | bytearray | None:
        if not self._transactions.marks_nothing(header) or header.base_offset >= self.done.clean_to:
            return batch
        self.forgotten.append(header.last_offset)
        if header.record_count == 0:  # it was kept for its place
            return None
        if self._round.producers.get(header.producer_id) == (header.producer_epoch, -1):
            return batch  # nothing else tells the producer's epoch
        horizon_ms = self._new_horizon(header)
        if horizon_ms is not None:
            body = inflated(batch, header)
            return thinned(header, body, slots(body, header.record_count), horizon_ms)
        return None if self._is_over(header) else batch

    def _new_horizon(self, header: BatchHeader) -> int | None:
        """Until when to keep what marks a deletion or an end, if that is not decided yet."""
        return self._now_ms + self._config.delete_retention_ms if header.delete_horizon_ms is None else None

    def _is_over(self, header: BatchHeader) -> bool:
        return header.delete_horizon_ms is not None and self._now_ms >= header.delete_horizon_ms

    def _latest(self, found: list[Slot], header: BatchHeader) -> tuple[list[Slot], bool]:
        """Those that stay, and whether a tombstone is among them."""
        is_latest = self._keys.is_latest
        base_offset = header.base_offset
        keeps_tombstones = not self._is_over(header)
        has_tombstone = False
        kept = []
        for slot in found:
            offset_delta, _, key, has_value, _, _, _ = slot
            if key is not None:
                if not (has_value or keeps_tombstones) or not is_latest(key, base_offset + offset_delta):
                    continue
                if not has_value:
                    has_tombstone = True
            kept.append(slot)
        return kept, has_tombstone


class _Written:
    """A new segment, beside those that are there. `end` is the last batch, emptied, if nothing of it was kept."""

    def __init__(self, files: Files, folder: str, base_offset: int, config: LogConfig) -> None:
        left = f"{folder}/{file_name(base_offset, CLEANED)}"
        if files.exists(left):  # by a round that failed
            files.remove(left)
        self._files = files
        self.segment = Segment.create(files, folder, base_offset, config.index_interval_bytes, CLEANED)
        self.segment.has_gaps = True
        self.size_bytes = 0
        self.record_count = 0
        self.end: bytearray | None = None
        self._pending: list[memoryview | bytearray] = []
        self._pending_bytes = 0

    def add(self, batch: memoryview | bytearray) -> None:
        self.end = None
        header = read_header(batch)
        self.segment.note(self.size_bytes, len(batch), header.last_offset, header.max_timestamp)
        self.size_bytes += len(batch)
        self.record_count += header.record_count
        self._pending.append(batch)
        self._pending_bytes += len(batch)
        if self._pending_bytes >= WRITE_BYTES:
            self._flush()

    def finish(self) -> None:
        """It reaches as far as what it replaces, and is on the disk."""
        if self.end is not None:
            self.add(self.end)
        self._flush()
        self.segment.file.sync()

    def discard(self) -> None:
        """It will not be finished. What it takes is needed: perhaps that is why."""
        self.segment.file.close()
        with suppress(DiskError):
            self._files.remove(self.segment.file.path)

    def _flush(self) -> None:
        self.segment.file.append(b"".join(self._pending))
        self._pending, self._pending_bytes = [], 0


def stored_batches(segment: Segment, pause: Pause) -> Iterator[tuple[memoryview, BatchHeader]]:
    """Each batch of a segment, its checksum verified. Raises DiskError where one is damaged."""
    position, size = 0, segment.size_bytes
    bytes_wanted = READ_BYTES
    while position < size:
        chunk = memoryview(segment.file.pread(position, bytes_wanted))
        bytes_wanted = READ_BYTES
        end = 0
        try:
            for at, header in batches(chunk):
                if not crc_matches(chunk, at, header):
                    raise MalformedError("the checksum does not match")
                end = at + header.size_bytes
                yield chunk[at:end], header
                pause(header.size_bytes)
            if end == 0:
                bytes_wanted = _large_batch(chunk, size - position)
        except MalformedError as error:
            raise _damaged(segment, position + end, error) from error
        position += end


def _large_batch(chunk: memoryview, available: int) -> int:
    """The size of the batch that `chunk` holds the beginning of. Raises MalformedError if it cannot be whole."""
    size_bytes = read_header(chunk).size_bytes
    if not len(chunk) < size_bytes <= available:
        raise MalformedError("a batch is cut short")
    return size_bytes


def _damaged(segment: Segment, position: int, error: MalformedError) -> DiskError:
    return DiskError(f"{segment.file.path}, position {position}: {error}")
