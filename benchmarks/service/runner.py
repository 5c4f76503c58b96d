"""Rounds: all competitors on one broker and the same orders, in turn; who comes first changes from round to round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from tempfile import TemporaryDirectory
from time import perf_counter

from confluent_kafka import KafkaException
from tests.interop.suites import PEERS

from benchmarks.broker.brokers import prepared
from benchmarks.command import Tell
from benchmarks.results import TIDINGS, Results
from benchmarks.service import memory, table, turn
from benchmarks.service.cases import BESIDE_FASTSTREAM, FASTSTREAM, FRAMEWORK_COST, Case
from benchmarks.service.competitors import COMPETITORS, LIBRDKAFKA, Competitor
from benchmarks.service.peers.task import Task
from benchmarks.service.scene import Scene
from benchmarks.service.sizes import Sizes
from benchmarks.service.stream import Streams
from benchmarks.service.turn import Outcome
from tidings.errors import TidingsError

DATA = PEERS / "benchmark"

FURTHER = {"table": table.measure, "memory": memory.measure}
"""What only Tidings is measured at."""


@dataclass
class Round:
    """`rates` and `works` by case and competitor: what figures that compare two are made of."""

    scene: Scene
    results: Results
    rates: dict[tuple[str, str], float] = field(default_factory=dict)
    works: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, case: Case, competitor: Competitor, outcome: Outcome) -> None:
        self.results.add(case.quantity, competitor.name, outcome.rate)
        self.results.add(case.work, competitor.name, outcome.work_us)
        self.rates[case.name, competitor.name] = outcome.rate
        self.works[case.name, competitor.name] = outcome.work_us

    def compare(self) -> None:
        """Add what is made of two figures of this round."""
        ours = self.rates.get(("typed", TIDINGS))
        theirs = [rate for name in FASTSTREAM if (rate := self.rates.get(("typed", name)))]
        if ours and theirs:
            self.results.add(BESIDE_FASTSTREAM, TIDINGS, ours / max(theirs))
        work, bare = self.works.get(("typed", TIDINGS)), self.works.get(("typed", LIBRDKAFKA))
        if work and bare:
            self.results.add(FRAMEWORK_COST, TIDINGS, work - bare)


def run(
    cases: Sequence[Case],
    further: Sequence[str],
    names: Sequence[str],
    broker: str,
    results: Results,
    sizes: Sizes,
    tell: Tell,
    turn_over: Tell,
) -> None:
    """Add all figures to `results`. What fails is noted there, and the rest goes on.

    `tell` gets what is going on, `turn_over` a line whenever one has had its turn.
    """
    for number in range(results.rounds):
        in_turn = names if number % 2 == 0 else names[::-1]
        with _scene(broker, sizes, results, tell) as scene:
            this = Round(scene, results)
            for case in cases:
                for name in in_turn:
                    if name in case.of and case.name not in COMPETITORS[name].cannot:
                        told = f"round {number + 1} of {results.rounds}: {case.name}: {name}"
                        turn_over(f"{told}: {_attempt(this, case, COMPETITORS[name], told, tell)}")
            this.compare()
            for scenario in further:
                told = f"round {number + 1} of {results.rounds}: {scenario}"
                turn_over(f"{told}: {_measure(scene, scenario, told, tell, results)}")


def steps(cases: Sequence[Case], further: Sequence[str], names: Sequence[str], rounds: int) -> int:
    """How many turns `run` takes."""
    turns = sum(name in case.of and case.name not in COMPETITORS[name].cannot for case in cases for name in names)
    return rounds * (turns + len(further))


@contextmanager
def _scene(broker: str, sizes: Sizes, results: Results, tell: Tell) -> Iterator[Scene]:
    # Not in /tmp, which may be memory: data is to lie on the disk on which one works.
    DATA.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=DATA) as folder, prepared(broker, "os", Path(folder)) as server:
        tell("starting the broker")
        server.start()
        bootstrap = f"127.0.0.1:{server.port}"
        yield Scene(bootstrap, Streams(bootstrap), Path(folder), sizes, results.add, tell)


def _attempt(this: Round, case: Case, competitor: Competitor, told: str, tell: Tell) -> str:
    """What came of a turn, in few words."""
    scene, events = this.scene, case.events(this.scene.sizes)
    output = ""
    try:
        topic = scene.orders(events, bare=case.bare)
        tell(told)
        if case.answers:
            output = scene.streams.create(scene.name(f"shipments-{competitor.program}"))
        task = Task(
            case.name, scene.bootstrap, scene.name(competitor.program), topic, output, events, scene.sizes.limit_s
        )
        outcome = turn.run(competitor, case, task, scene.streams, scene.room / "state")
        this.add(case, competitor, outcome)
        return f"{outcome.rate:,.0f}/s{'' if outcome.whole else ' until time was up'}"
    except (TidingsError, OSError, SubprocessError, KafkaException) as error:
        return _failed(this.results, f"{competitor.name}, {case.name}", error)
    finally:
        if output:
            scene.streams.delete(output)


def _measure(scene: Scene, scenario: str, told: str, tell: Tell, results: Results) -> str:
    tell(told)
    begun = perf_counter()
    try:
        FURTHER[scenario](scene)
    except (TidingsError, OSError, SubprocessError, KafkaException) as error:
        return _failed(results, scenario, error)
    return f"{perf_counter() - begun:.0f} s"


def _failed(results: Results, what: str, error: Exception) -> str:
    said = str(error).splitlines() or [repr(error)]
    results.failures.append(f"{what}: {' … '.join(dict.fromkeys((said[0], said[-1])))}")
    return str(error)
