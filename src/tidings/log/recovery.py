"""Opening a partition: what its folder says, checked as far as the last stop requires.

After a clean stop the headers behind the last index entry are read. After any other, every batch that is not known to
be on the disk is checked. A crash can only damage the end: a write that was under way is there in part, or as zeros.
That *torn tail*, with nothing valid behind it, is cut off. Anything else is damage to what was stored: it is reported,
and no byte is touched, for with one copy nobody else has what we would cut.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tidings.errors import DiskError
from tidings.log.aborted import Aborted
from tidings.log.checkpoint import Checkpoint
from tidings.log.cleaner_checkpoint import CleanerCheckpoint
from tidings.log.config import LogConfig
from tidings.log.epochs import Epochs
from tidings.log.files import TEMPORARY, File, Files, parent
from tidings.log.producers import Producers
from tidings.log.segment import CLEANED, INDEX, LOG, SNAPSHOT, TIME_INDEX, TXN_INDEX, Segment, file_name, headers
from tidings.log.side_files import EPOCHS_FILE, offset_of, snapshot_offsets
from tidings.log.transactions import read_marker
from tidings.wire.primitives import MalformedError
from tidings.wire.records import HEADER_BYTES, BatchHeader, crc_matches, read_header

_SCAN_BYTES = 1 << 20
_HEADERS_BYTES = 4 << 10
"""Read at once where only headers are of interest: most of a large batch is not read then."""
_MAGIC_AT = 16
_OFFSETS_AHEAD_MAX = 1 << 40
"""How far behind a damaged place a batch may claim to be, to be believed a batch."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """What a partition begins with. `segments` is empty if nothing was ever written."""

    segments: list[Segment]
    producers: Producers
    epochs: Epochs
    log_start_offset: int
    end_offset: int
    checkpoint: Checkpoint
    cleaned: CleanerCheckpoint
    verified: bool  # checksums were looked at, and what was found is on the disk now


def recover(
    files: Files, folder: str, config: LogConfig, *, now_ms: int, clean: bool, leader_epoch_max: int
) -> Recovered:
    """Read a partition's folder; there need not be one. Raises DiskError if what it holds is damaged."""
    names = files.listdir(folder)
    checkpoint = Checkpoint.read(files, folder) or Checkpoint()
    cleaned = CleanerCheckpoint.read(files, folder)
    segments = _open_segments(files, folder, names, config, cleaned.gaps_to)
    if cleaned.swapping:
        _finish_swap(files, segments, cleaned.gaps_to)
        names = files.listdir(folder)
    verified = False
    if segments and not (clean and segments[-1].load_to() is not None):
        _Verification(segments, checkpoint, leader_epoch_max, cleaned.gaps_to).run()
        files.sync_dir(folder)
        files.sync_dir(parent(folder))
        names = files.listdir(folder)
        verified = True
    start = max(checkpoint.log_start_offset, segments[0].base_offset if segments else 0)
    end = segments[-1].end_offset if segments else start
    if end < checkpoint.recovery_point > checkpoint.log_start_offset:
        raise DiskError(f"{folder} ends at offset {end}; it had been written and synced to {checkpoint.recovery_point}")
    if end < start:  # what was deleted is gone; so is all that was before it
        for segment in segments:
            segment.remove()
        segments, end = [], start
    if segments:
        _know_age(segments[-1], now_ms)
    for name in _litter(names):
        files.remove(f"{folder}/{name}")
    epochs, epochs_end = _read_epochs(files, folder, names, end, checkpoint.recovery_point if verified else end)
    producers, producers_end = _read_producers(files, folder, names, end)
    _read_aborted(files, folder, names, segments, producers, producers_end)
    _replay(segments, epochs, epochs_end, producers, producers_end, now_ms)
    return Recovered(segments, producers, epochs, start, end, checkpoint, cleaned, verified)


def _litter(names: list[str]) -> list[str]:
    """What interrupted writes and removals left behind."""
    logs = {name.removesuffix(LOG) for name in names if name.endswith(LOG)}
    return [
        name
        for name in names
        if (name.endswith(TEMPORARY) and name != TEMPORARY)
        or (name.endswith(CLEANED) and offset_of(name) >= 0)
        or (
            name.endswith((INDEX, TIME_INDEX, TXN_INDEX))
            and offset_of(name) >= 0
            and name.partition(".")[0] not in logs
        )
    ]


def _open_segments(files: Files, folder: str, names: list[str], config: LogConfig, gaps_to: int) -> list[Segment]:
    offsets = sorted(offset_of(name) for name in names if name.endswith(LOG) and offset_of(name) >= 0)
    segments = [Segment.open(files, folder, offset, config.index_interval_bytes) for offset in offsets]
    for segment, following in pairwise(segments):
        segment.end_offset = following.base_offset
    for segment in segments:
        segment.has_gaps = segment.base_offset < gaps_to
    return segments


def _finish_swap(files: Files, segments: list[Segment], gaps_to: int) -> None:
    """Compaction was at work: remove what it had replaced, and indexes that may be those of what was replaced.

    A segment that took the place of several reaches as far as they did, so those that begin before its end are the
    ones. Its last batch tells, which is why compaction keeps that.
    """
    doomed = []
    end_offset = 0
    for segment in segments:
        if segment.base_offset < end_offset:
            doomed.append(segment)
        elif segment.base_offset < gaps_to:
            segment.remove_indexes()
            for _, header in headers(segment.file, 0, segment.size_bytes):
                end_offset = header.last_offset + 1
    for segment in doomed:
        segments.remove(segment)
        segment.remove()
    for segment, following in pairwise(segments):
        segment.end_offset = following.base_offset


def _know_age(segment: Segment, now_ms: int) -> None:
    first = segment.first_header()
    if first is not None:
        segment.first_append_ms = min(first.max_timestamp, now_ms) if first.max_timestamp >= 0 else now_ms


class _Verification:
    """Checks all batches from the segment of the recovery point on, and cuts a torn tail."""

    def __init__(self, segments: list[Segment], checkpoint: Checkpoint, leader_epoch_max: int, gaps_to: int) -> None:
        self._segments = segments
        self._gaps_to = gaps_to
        self._log_start_offset, self._recovery_point = checkpoint
        self._leader_epoch_max = leader_epoch_max
        # Segments that were being deleted may be there in part: they are of no interest.
        start = max(checkpoint)
        self._first = max(bisect_right(segments, start, key=lambda segment: segment.base_offset) - 1, 0)

    def run(self) -> None:
        segments = self._segments
        at = self._first
        while at < len(segments):
            segment = segments[at]
            if at > self._first and segment.base_offset != segments[at - 1].end_offset:
                # Whether its beginning or the end before it is missing: it may only go if it holds nothing.
                self._cut(at - 1, segments[at - 1].size_bytes)
                break
            valid_bytes = self._verify(segment)
            if valid_bytes != segment.size_bytes:
                self._cut(at, valid_bytes)
                break
            at += 1
        for segment in segments[self._first :]:
            segment.file.sync()
        for segment in segments[self._first : -1]:
            _keep_indexes(segment)

    def _verify(self, segment: Segment) -> int:
        """Take the segment's valid batches into its indexes; return where they end."""
        position = None
        if segment.base_offset < self._recovery_point:
            position = segment.load_to(self._recovery_point)
        if position is None:
            segment.start_indexes()
            position = 0
        epoch = 0
        for batch_position, header in valid_batches(segment.file, position, segment.end_offset, self._gaps_to):
            if not epoch <= header.leader_epoch <= self._leader_epoch_max:
                break
            epoch = header.leader_epoch
            segment.note(batch_position, header.size_bytes, header.last_offset, header.max_timestamp)
            position = batch_position + header.size_bytes
        return position

    def _cut(self, at: int, position: int) -> None:
        """Cut the log at `position` of segment `at`. Raises DiskError if that would lose anything that was stored."""
        segment = self._segments[at]
        end_offset = segment.end_offset
        place = f"{segment.file.path}, position {position}, offset {end_offset}"
        if end_offset < self._recovery_point and self._log_start_offset < self._recovery_point:
            raise DiskError(f"{place}: damaged, though it had been written and synced up to {self._recovery_point}")
        behind = find_valid_batch(segment.file, position + 1, end_offset)
        if behind is not None:
            raise DiskError(f"{place}: damaged; a valid batch follows at position {behind}. Nothing was changed")
        for later in self._segments[at + 1 :]:
            if find_valid_batch(later.file, 0, end_offset) is not None:
                raise DiskError(f"{place}: damaged or missing; {later.file.path} is there. Nothing was changed")
        if position != segment.size_bytes:
            log.warning("%s: cut off %d bytes of an unfinished write", place, segment.size_bytes - position)
            segment.file.truncate(position)
        for later in self._segments[at + 1 :]:
            later.remove()
        del self._segments[at + 1 :]


def _keep_indexes(segment: Segment) -> None:
    """Write what was found: its index files may be of a time when it was shorter, and nobody verifies it again."""
    try:
        segment.write_indexes(segment.encode_indexes())
    except DiskError as error:
        log.warning("%s; its indexes will be built anew when they are used", error)
        segment.remove_indexes()


def valid_batches(
    file: File, position: int, expected_offset: int, gaps_to: int = 0
) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch from `position` on, while checksums match and no offset is missing.

    Before `gaps_to` offsets may be missing: compaction took them out.
    """
    size = file.size
    chunk, chunk_at = b"", 0
    while position + HEADER_BYTES <= size:
        at = position - chunk_at
        if at + HEADER_BYTES > len(chunk):
            chunk, chunk_at, at = file.pread(position, _SCAN_BYTES), position, 0
        try:
            header = read_header(chunk, at)
        except MalformedError:
            return
        has_gap = header.base_offset != expected_offset
        if has_gap and not expected_offset < header.base_offset < gaps_to:
            return
        if position + header.size_bytes > size:
            return
        if at + header.size_bytes > len(chunk):
            chunk, chunk_at, at = file.pread(position, max(_SCAN_BYTES, header.size_bytes)), position, 0
        if len(chunk) - at < header.size_bytes or not crc_matches(chunk, at, header):
            return
        yield position, header
        position += header.size_bytes
        expected_offset = header.last_offset + 1


def find_valid_batch(file: File, position: int, offset_min: int) -> int | None:
    """Where the first valid batch begins that is not before `position` and `offset_min`, at whatever byte."""
    size = file.size
    while position + HEADER_BYTES <= size:
        chunk = file.pread(position, _SCAN_BYTES + HEADER_BYTES)
        magic_at = chunk.find(b"\x02", _MAGIC_AT)
        while magic_at >= 0:
            at = magic_at - _MAGIC_AT
            if at + HEADER_BYTES <= len(chunk) and _is_valid_batch(file, chunk, at, position + at, offset_min):
                return position + at
            magic_at = chunk.find(b"\x02", magic_at + 1)
        position += _SCAN_BYTES
    return None


def _is_valid_batch(file: File, chunk: bytes, at: int, position: int, offset_min: int) -> bool:
    try:
        header = read_header(chunk, at)
    except MalformedError:
        return False
    return (
        header.record_count <= header.last_offset_delta + 1
        and offset_min <= header.base_offset < offset_min + _OFFSETS_AHEAD_MAX
        and position + header.size_bytes <= file.size
        and crc_matches(file.pread(position, header.size_bytes), 0, header)
    )


def _read_epochs(files: Files, folder: str, names: list[str], end: int, written_to: int) -> tuple[Epochs, int]:
    """The epochs that the file tells, and the offset up to which it tells all."""
    epochs = Epochs.decode(files.read(f"{folder}/{EPOCHS_FILE}")) if EPOCHS_FILE in names else None
    if epochs is None:
        return Epochs(), 0
    epochs.truncate_end(end)
    return epochs, written_to


def _read_producers(files: Files, folder: str, names: list[str], end: int) -> tuple[Producers, int]:
    """The producers of the last snapshot that fits, and the offset that it is of."""
    for offset in reversed(snapshot_offsets(names)):
        if offset <= end:
            producers = Producers.decode(files.read(f"{folder}/{file_name(offset, SNAPSHOT)}"))
            if producers is not None:
                return producers, offset
    return Producers(), 0


def _replay(
    segments: list[Segment], epochs: Epochs, epochs_end: int, producers: Producers, producers_end: int, now_ms: int
) -> None:
    """Add what the batches behind the files tell."""
    offset = min(epochs_end, producers_end)
    for segment in segments:
        if segment.end_offset <= offset:
            continue
        position = segment.find(offset) if offset > segment.base_offset else 0
        for batch_position, header in headers(segment.file, position, segment.size_bytes, _HEADERS_BYTES):
            epochs.assign(header.leader_epoch, header.base_offset)
            if header.base_offset >= producers_end:
                _add(producers, segment, batch_position, header, now_ms)


def _add(producers: Producers, segment: Segment, position: int, header: BatchHeader, now_ms: int) -> None:
    if not header.is_control:
        producers.appended(header, header.last_offset, header.max_timestamp, now_ms)
        return
    marker = read_marker(segment.read_batch(position, header))
    if marker is not None:
        producers.ended(marker, header.last_offset, now_ms)


def _read_aborted(
    files: Files, folder: str, names: list[str], segments: list[Segment], producers: Producers, end: int
) -> None:
    """The transactions that were aborted before the snapshot of `producers`, which is of offset `end`."""
    aborted = producers.transactions.aborted
    present = {segment.base_offset for segment in segments}
    first = min(present, default=end)
    for check in producers.index_checks:
        if check.base_offset < first:
            continue  # deleted
        name = file_name(check.base_offset, TXN_INDEX)
        is_there = check.base_offset in present and name in names
        if not is_there or not aborted.load(check, files.read(f"{folder}/{name}")):
            log.warning("%s/%s is missing or damaged; told anew from the log", folder, name)
            producers.transactions.aborted = _find_aborted(segments, end)
            return
    aborted.written(end)


def _find_aborted(segments: list[Segment], end: int) -> Aborted:
    """The same, from the log itself."""
    producers = Producers()
    for segment in segments:
        for position, header in headers(segment.file, 0, segment.size_bytes):
            if header.base_offset >= end:
                break
            if header.is_transactional:
                _add(producers, segment, position, header, 0)
    return producers.transactions.aborted
