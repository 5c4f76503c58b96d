"""Requests as they are answered: plain counters per API, a few additions per request and none per record."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

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
    _finder(type(reply))(reply, found.append)
    return found


@cache
def _finder(reply: type[Message]) -> Callable[[Message, Callable[[int], None]], None]:
    """Compiled, as codecs are: to look at each field in turn would take longer than all else that is counted."""
    lines = list(_finding(reply, "reply", " ")) or [" pass"]
    names: dict[str, Any] = {}
    exec(compile("\n".join(["def find(reply, found):", *lines]), f"<errors of {reply.__name__}>", "exec"), names)
    find: Callable[[Message, Callable[[int], None]], None] = names["find"]
    return find


def _finding(struct: type[Struct], name: str, indent: str) -> Iterator[str]:
    for field in struct.FIELDS:
        if field.name == "error_code":
            yield f"{indent}if {name}.error_code: found({name}.error_code)"
        elif isinstance(field.kind, Array) and isinstance(field.kind.of, type):
            inner = list(_finding(field.kind.of, f"{name}_", f"{indent} "))
            if inner:
                yield f"{indent}for {name}_ in {name}.{field.name} or ():"
                yield from inner
