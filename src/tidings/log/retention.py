"""Which old segments may go: those past the topic's time, or beyond its size. Only whole segments do."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.log.config import UNLIMITED, LogConfig
from tidings.log.files import Files, remove_tree
from tidings.log.segment import Segment

DELETED = "-delete"
"""Ends the name of a folder whose partition was deleted: `orders-0.<id>-delete`, as Kafka's."""


def expired_segments(segments: Sequence[Segment], config: LogConfig, now_ms: int, high_watermark: int) -> int:
    """How many of the oldest segments may be removed; of a log that has expired altogether, all."""
    if not config.deletes:
        return 0
    return max(_too_old(segments, config, now_ms, high_watermark), _too_much(segments, config, high_watermark))


def _too_old(segments: Sequence[Segment], config: LogConfig, now_ms: int, high_watermark: int) -> int:
    """Segments without timestamps stay: nobody can tell how old they are."""
    if config.retention_ms == UNLIMITED:
        return 0
    expired = 0
    for count, segment in enumerate(segments):
        if segment.end_offset > high_watermark or segment.size_bytes == 0:
            break
        latest = segment.latest_timestamp()
        if latest < 0 and segment.has_gaps:
            continue  # compaction may have emptied it: it goes with the next one
        if latest < 0 or now_ms - latest <= config.retention_ms:
            break
        expired = count + 1
    return expired


def _too_much(segments: Sequence[Segment], config: LogConfig, high_watermark: int) -> int:
    """Never the last one, and never so many that less than the size asked for remains."""
    if config.retention_bytes == UNLIMITED:
        return 0
    surplus_bytes = sum(segment.size_bytes for segment in segments) - config.retention_bytes
    for count, segment in enumerate(segments[:-1]):
        surplus_bytes -= segment.size_bytes
        if surplus_bytes < 0 or segment.end_offset > high_watermark:
            return count
    return max(len(segments) - 1, 0)


def remove_deleted(files: Files, data_folder: str) -> list[str]:
    """Finish deletions that a crash interrupted; returns the names of the folders."""
    names = [name for name in files.listdir(data_folder) if name.endswith(DELETED)]
    for name in names:
        remove_tree(files, f"{data_folder}/{name}")
    return names
