"""From timestamps to offsets, for ListOffsets. The only place in the log that looks into a batch: one a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.errors import DiskError
from tidings.log.segment import Segment
from tidings.wire.primitives import MalformedError
from tidings.wire.records import NO_TIMESTAMP, BatchHeader, records


class TimedOffset(NamedTuple):
    offset: int
    timestamp: int  # milliseconds since 1970


ShownEnd = Callable[[Segment], int]
"""The position in a segment where what may be looked at ends."""


def first_at(
    segments: Sequence[Segment], timestamp: int, log_start_offset: int, shown_end: ShownEnd
) -> TimedOffset | None:
    """The first record, from `log_start_offset` on, whose timestamp is at or after `timestamp`."""
    for segment in segments:
        if segment.latest_timestamp() < timestamp:
            continue
        end = shown_end(segment)
        position = min(segment.find_time(timestamp), end)
        for at, header in segment.batches_from(position, end):
            if header.max_timestamp >= timestamp and header.last_offset >= log_start_offset:
                found = _first_in_batch(segment, at, header, timestamp, log_start_offset)
                if found is not None:
                    return found
    return None


def latest(segments: Sequence[Segment], log_start_offset: int, shown_end: ShownEnd) -> TimedOffset | None:
    """The first record that has the greatest timestamp."""
    best: tuple[Segment, int, BatchHeader] | None = None
    best_timestamp = NO_TIMESTAMP
    for segment in segments:
        if segment.latest_timestamp() <= best_timestamp:
            continue
        end = shown_end(segment)
        # All of a segment is shown, but for the last: there, the index may be ahead of what is.
        timestamp = segment.latest_timestamp() if end == segment.size_bytes else best_timestamp + 1
        for at, header in segment.batches_from(min(segment.find_time(timestamp), end), end):
            if header.max_timestamp > best_timestamp and header.last_offset >= log_start_offset:
                best, best_timestamp = (segment, at, header), header.max_timestamp
    return _first_in_batch(*best, best_timestamp, log_start_offset) if best else None


def _first_in_batch(
    segment: Segment, position: int, header: BatchHeader, timestamp: int, log_start_offset: int
) -> TimedOffset | None:
    try:
        for record in records(segment.read_batch(position, header)):
            if record.timestamp >= timestamp and record.offset >= log_start_offset:
                return TimedOffset(record.offset, record.timestamp)
    except MalformedError as error:
        raise DiskError(f"{segment.file.path}, position {position}: {error}") from error
    return None
