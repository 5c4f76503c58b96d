"""Where a share group begins that has come nowhere yet (`share.auto.offset.reset`)."""

from __future__ import annotations

import re

from tidings.log.partition import Partition

_DURATION = re.compile(
    r"by_duration:P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def first_offset(partition: Partition, reset: str, now_ms: int) -> int:
    """`reset` is earliest, latest, or by_duration: with an ISO 8601 duration. Raises DiskError."""
    if reset.lower() == "earliest":
        return partition.log_start_offset
    duration = _DURATION.fullmatch(reset)
    if duration is None:
        return partition.high_watermark
    found = partition.offset_for_time(now_ms - duration_ms(duration))
    return partition.high_watermark if found is None else found.offset


def duration_ms(duration: re.Match[str]) -> int:
    return round(sum(float(number or 0) * _SECONDS[unit] for unit, number in duration.groupdict().items()) * 1000)
