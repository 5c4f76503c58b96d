"""Which scenarios share a broker: each session is one, with an empty folder, started once in each round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.broker.brokers import Durability
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios import (
    end_to_end,
    idle_connections,
    memory,
    partitions,
    requests,
    restart,
    start,
    tail,
    throughput,
    topics,
)


@dataclass(frozen=True)
class Scenario:
    """`name` is how one asks for it; several may answer to it, with other durability."""

    name: str
    measure: Callable[[Running], None]


@dataclass(frozen=True)
class Session:
    """`warm`: the broker is started and warmed up first; else its scenario starts it. `further`: not in the standard
    run. `rounds_max`: for what takes too long to be done often."""

    durability: Durability
    scenarios: tuple[Scenario, ...]
    warm: bool = True
    further: bool = False
    rounds_max: int = 1000


THROUGHPUT = Scenario("throughput", throughput.measure)
REQUESTS = Scenario("requests", requests.measure)
END_TO_END = Scenario("end-to-end", end_to_end.measure)

SESSIONS = (
    Session("default", (Scenario("start", start.measure),), warm=False),
    Session("default", (Scenario("start", start.measure_client),), warm=False),
    Session("os", (Scenario("restart", restart.measure),), warm=False),
    Session(
        "os",
        (THROUGHPUT, REQUESTS, END_TO_END, Scenario("topics", topics.measure), Scenario("memory", memory.measure)),
    ),
    Session("fsync", (THROUGHPUT, REQUESTS, END_TO_END)),
    Session("os", (Scenario("partitions", partitions.measure),), further=True),
    Session("os", (Scenario("idle-connections", idle_connections.measure),), further=True),
    Session("os", (Scenario("tail", tail.measure),), further=True, rounds_max=1),
)

NAMES = tuple(dict.fromkeys(scenario.name for session in SESSIONS for scenario in session.scenarios))


def chosen(names: Sequence[str], *, further: bool, durability: Durability | None) -> list[Session]:
    """The sessions that have the scenarios `names`, and only those of their scenarios; without names the standard
    ones, or the `further` ones."""
    found = []
    for session in SESSIONS:
        if durability not in (None, session.durability):
            continue
        scenarios = tuple(each for each in session.scenarios if each.name in names)
        if not names and session.further == further:
            scenarios = session.scenarios
        if scenarios:
            found.append(
                Session(session.durability, scenarios, session.warm, session.further, session.rounds_max),
            )
    return found
