"""Requests as they are answered: plain counters per API, a few additions per request and none per record."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache

from tidings.wire.message import Array, Message, Struct

LATENCY_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram's buckets; one more is for all that took longer."""


class ApiTraffic:
    """Of one API, since the start."""

    __slots__ = ("buckets", "errors", "reply_bytes", "request_bytes", "requests", "seconds")

    def __init__(self) -> None:
        self.requests = 0
        self.request_bytes = 0
        self.reply_bytes = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_S) + 1)
        self.errors: dict[int, int] = {}
        """How often each error code was in a reply: at the top, or for a topic, a partition and the like."""


class Traffic:
    """Of all APIs by key. Times are seconds of `now`."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.apis: dict[int, ApiTraffic] = {}
        self.connections_opened = 0
        self.connections_failed = 0

    def answered(self, api_key: int, began: float, request_bytes: int, reply_bytes: int, reply: Message | None) -> None:
        """Count a request. `began`: when it was taken up, so that waiting for the disk or for records is included."""
        of = self.apis.get(api_key)
        if of is None:
            of = self.apis[api_key] = ApiTraffic()
        seconds = self.now() - began
        of.requests += 1
        of.request_bytes += request_bytes
        of.reply_bytes += reply_bytes
        of.seconds += seconds
        of.buckets[bisect_left(LATENCY_S, seconds)] += 1
        if reply is not None:
            for code in error_codes(reply):
                of.errors[code] = of.errors.get(code, 0) + 1


def error_codes(reply: Message) -> list[int]:
    """Every error code in a reply, wherever it stands, that is not zero."""
    found: list[int] = []
    for path in _paths(type(reply)):
        structs: list[Struct] = [reply]
        for name in path:
            structs = [inner for outer in structs for inner in getattr(outer, name) or ()]
        found += [code for struct in structs if (code := struct.error_code)]  # type: ignore[attr-defined]
    return found


@cache
def _paths(struct: type[Struct]) -> tuple[tuple[str, ...], ...]:
    """The arrays to go through from `struct` to structures that have an error code."""
    return tuple(_find(struct))


def _find(struct: type[Struct]) -> Iterator[tuple[str, ...]]:
    for field in struct.FIELDS:
        if field.name == "error_code":
            yield ()
        elif isinstance(field.kind, Array) and isinstance(field.kind.of, type):
            for path in _find(field.kind.of):
                yield (field.name, *path)
