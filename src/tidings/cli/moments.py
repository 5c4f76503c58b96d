"""Moments and spans as people write them: `5m`, `2026-01-31T09:30`, `beginning`, `1200`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tidings.errors import OperatorError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading a stream begins. `value` is an offset, or milliseconds since the epoch; else 0."""

    kind: Literal["beginning", "end", "offset", "time"]
    value: int = 0


BEGINNING = Start("beginning")
END = Start("end")


def parse_start(text: str, now_ms: int) -> Start:
    """`beginning`, `end`, an offset, a span before now (`5m`), or a time. Raises OperatorError."""
    text = text.strip()
    if text in ("beginning", "start", "earliest"):
        return BEGINNING
    if text in ("end", "now", "latest"):
        return END
    if text.isascii() and text.isdecimal():
        return Start("offset", int(text))
    if span := _SPAN.fullmatch(text):
        return Start("time", max(0, now_ms - round(float(span[1]) * _UNIT_MS[span[2]])))
    try:
        return Start("time", round(datetime.fromisoformat(text).astimezone().timestamp() * 1000))
    except (ValueError, OverflowError):
        raise OperatorError(
            f"{text!r} is no place to start from",
            "Write beginning, end, an offset (1200), a span before now (90s, 5m, 1d), or a time (2026-01-31T09:30).",
        ) from None


def clock_time(time_ms: float) -> str:
    """The local time of day, to the millisecond."""
    return datetime.fromtimestamp(time_ms / 1000).strftime("%H:%M:%S.%f")[:-3]


def date_time(time_ms: float) -> str:
    """The local date and time, to the second."""
    return datetime.fromtimestamp(time_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")


def iso_time(time_ms: float) -> str:
    """UTC, for machines."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(ms: float) -> str:
    """A length of time in the unit that reads best: `0.4 ms`, `12 ms`, `3.4 s`, `5 m 10 s`, `2 h 5 m`, `3 d 4 h`."""
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    for big, small in (("m", "s"), ("h", "m"), ("d", "h")):
        if ms < {"m": 3_600_000, "h": 86_400_000}.get(big, float("inf")):
            whole, rest = divmod(round(ms / _UNIT_MS[small]), _UNIT_MS[big] // _UNIT_MS[small])
            return f"{whole} {big} {rest} {small}" if rest else f"{whole} {big}"
    raise AssertionError("days have no end")
