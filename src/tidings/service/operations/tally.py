"""What a service has done since it was started: plain counters, some additions for each event.

Written on the event loop, read from the thread that serves the metrics: a reader may see one addition and not yet the
next, and never anything torn.
"""

from __future__ import annotations

from bisect import bisect_left

HANDLING_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histogram's buckets; one more is for all that took longer."""
COMMIT_S = HANDLING_S[:14]


class Seconds:
    """How long something took, each time: a histogram."""

    __slots__ = ("buckets", "count", "ends", "total")

    def __init__(self, ends: tuple[float, ...]) -> None:
        self.ends = ends
        self.buckets = [0] * (len(ends) + 1)
        self.total = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(self.ends, seconds)] += 1
        self.total += seconds
        self.count += 1


class HandlerTally:
    """Of one handler."""

    __slots__ = ("endings", "seconds")

    def __init__(self) -> None:
        self.endings: dict[str, int] = {}
        """How often each ending was met (see `observer`)."""
        self.seconds = Seconds(HANDLING_S)


class Tally:
    """Of one service."""

    def __init__(self) -> None:
        self.handlers: dict[str, HandlerTally] = {}
        self.dead_letters: dict[str, int] = {}
        """By reason (see `dead_letters`)."""
        self.commits = Seconds(COMMIT_S)
        self.records_committed = 0
        """Records that were written by what was committed: outputs, dead letters, changes of tables, receipts."""

    def ended(self, handler: str, ending: str, seconds: float) -> None:
        of = self.handlers.get(handler)
        if of is None:
            of = self.handlers[handler] = HandlerTally()
        of.endings[ending] = of.endings.get(ending, 0) + 1
        of.seconds.add(seconds)

    def buried(self, reason: str) -> None:
        self.dead_letters[reason] = self.dead_letters.get(reason, 0) + 1

    def committed(self, records: int, seconds: float) -> None:
        self.commits.add(seconds)
        self.records_committed += records
