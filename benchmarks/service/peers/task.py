"""What a program is told, and what it tells: of itself, needing nothing but Python's own library."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from time import CLOCK_MONOTONIC, clock_gettime, process_time
from typing import Any

WORKERS = 100
"""How many events are handled at a time where handlers wait."""
AWAIT_S = 0.01
LOOK_EVERY_S = 0.02

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Task:
    """`case` is the name of a case (see `cases`); `output` the topic that is written to, if one is. `events` are in the
    topic; after `limit_s` the program stops, however many it has handled. With `marks` it says what memory it takes
    each time so many events are handled."""

    case: str
    bootstrap: str
    group: str
    topic: str
    output: str
    events: int
    limit_s: float
    marks: int = 0

    @classmethod
    def given(cls) -> Task:
        """From the command line."""
        return cls(**json.loads(sys.argv[1]))

    def told(self) -> str:
        return json.dumps(asdict(self))


def now_s() -> float:
    """The same clock in all processes of a machine."""
    return clock_gettime(CLOCK_MONOTONIC)


def tell(kind: str, **told: Any) -> None:
    """One line for who measures."""
    print(json.dumps({"kind": kind, **told}), flush=True)


def resident_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES / 1e6


class Tally:
    """Counts what a handler is given, and takes the time from the first to the last. For one thread.

    Each order has a number, from 0 on; a handler calls `handled` with it.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._times = bytearray(task.events)
        self._count = 0
        self._next = 1
        """The count at which there is something to do besides counting."""
        self._begun_s = self._began_work_s = 0.0
        self._ended = False

    def handled(self, number: int) -> None:
        self._times[number] += 1
        self._count += 1
        if self._count == self._next:
            self._reached()

    def _reached(self) -> None:
        task, count = self._task, self._count
        if count == 1:
            self._begun_s, self._began_work_s = now_s(), process_time()
        if count == task.events:
            self.end()
        elif task.marks:
            if count % task.marks == 0:
                tell("mark", count=count, resident_mb=resident_mb())
            self._next = (count // task.marks + 1) * task.marks
        else:
            self._next = task.events

    @property
    def over(self) -> bool:
        """Whether all is handled, or time is up; then it is told."""
        if not self._ended and self._begun_s and now_s() - self._begun_s > self._task.limit_s:
            self.end()
        return self._ended

    async def until_over(self) -> None:
        while not self.over:  # noqa: ASYNC110  who counts is not to wake anybody: it is what is measured
            await asyncio.sleep(LOOK_EVERY_S)

    def end(self) -> None:
        """Tell what was counted; more is not told."""
        if self._ended:
            return
        self._ended = True
        ended_s = now_s()
        tell(
            "handled",
            count=self._count,
            twice=sum(times > 1 for times in self._times),
            seconds=ended_s - self._begun_s,
            work_s=process_time() - self._began_work_s,
            begun_s=self._begun_s,
            resident_mb=resident_mb(),
        )
