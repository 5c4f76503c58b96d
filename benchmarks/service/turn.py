"""One competitor's turn at one case: its program is run, and what it did is checked from outside."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from tests.interop.suites import ROOT

from benchmarks.service.cases import Case
from benchmarks.service.competitors import Competitor
from benchmarks.service.peers.task import Task
from benchmarks.service.stream import Streams
from tidings.errors import UnavailableError
from tidings.testing.process import ChildProcess

STARTING_S = 60.0
"""How long a program may take until its first event."""
STOPPING_S = 30.0
COMMITTED_S = 15.0
"""How long after the last event its position may be on its way."""


class Told(msgspec.Struct, frozen=True):
    """What a program says once it has handled all it will: see `peers.task`."""

    count: int
    twice: int
    seconds: float
    work_s: float
    begun_s: float
    resident_mb: float


class Mark(msgspec.Struct, frozen=True):
    """What it says on its way."""

    kind: Literal["mark", "handled"]
    count: int
    resident_mb: float


@dataclass(frozen=True)
class Outcome:
    """`rate` is in events a second, `work_us` is processor time an event; `marks` is memory in MB after so many.
    `whole`: all events were handled; else time was up."""

    rate: float
    work_us: float
    marks: Mapping[int, float]
    whole: bool


def run(competitor: Competitor, case: Case, task: Task, streams: Streams, state: Path) -> Outcome:
    """Raises UnavailableError if the program fails, or did not handle each event once, or left positions behind."""
    ends = streams.ends(task.topic)
    child = ChildProcess(
        [str(competitor.environment.python), "-m", competitor.module, task.told()],
        {**os.environ, "PYTHONPATH": str(ROOT), "TIDINGS_STATE": str(state)},
    )
    try:
        line = child.wait_for_line(r'"kind": "handled"', STARTING_S + task.limit_s).string
        told = msgspec.json.decode(line, type=Told)
        whole = told.count == task.events
        committed_s = streams.until_committed(task.group, task.topic, ends, COMMITTED_S) if whole else None
        code = child.wait(STOPPING_S)
    finally:
        if child.exit_code is None:
            child.kill()
    if code != 0:
        raise UnavailableError(f"{competitor.module} ended with code {code}\n{child.tail()}")
    if told.twice or told.count == 0:
        raise UnavailableError(
            f"{told.count} of {task.events} events were handled, {told.twice} of them more than once"
        )
    if whole and committed_s is None:
        raise UnavailableError(f"its position was not at the end {COMMITTED_S:g} s after the last event")
    if whole and case.answers:
        _check_answers(task, streams)
    seconds = committed_s - told.begun_s if case.answers and committed_s is not None else told.seconds
    marks = [msgspec.json.decode(line, type=Mark) for line in child.lines("stdout") if '"kind"' in line]
    return Outcome(told.count / seconds, told.work_s / told.count * 1e6, _by_count(marks), whole)


def _check_answers(task: Task, streams: Streams) -> None:
    answered, twice = streams.shipments(task.output)
    if (answered, twice) != (task.events, 0):
        raise UnavailableError(f"{answered} of {task.events} orders were answered, {twice} more than once")


def _by_count(marks: list[Mark]) -> dict[int, float]:
    return {mark.count: mark.resident_mb for mark in marks}
