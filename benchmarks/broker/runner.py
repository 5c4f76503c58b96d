"""Rounds: one broker after the other, never both, and who comes first changes from round to round."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.interop.suites import PEERS

from benchmarks.broker.brokers import prepared
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios import warm_up
from benchmarks.broker.sessions import Session
from benchmarks.broker.sizes import Sizes
from benchmarks.command import Tell
from benchmarks.results import Results
from tidings.errors import TidingsError

DATA = PEERS / "benchmark"


def run(
    sessions: Sequence[Session], results: Results, sizes: Sizes, brokers: Sequence[str], tell: Tell, turn_over: Tell
) -> None:
    """Add all figures to `results`. What fails is noted there, and the rest goes on.

    `tell` gets what is going on, `turn_over` a line whenever a broker has had its turn.
    """
    _raise_file_limit()
    for number in range(results.rounds):
        in_turn = brokers if number % 2 == 0 else brokers[::-1]
        for session in sessions:
            for broker in in_turn if number < session.rounds_max else ():
                begun = perf_counter()
                turn = f"round {number + 1} of {results.rounds}, {broker}"
                _run(session, broker, results, sizes, partial(_tell_more, tell, turn))
                names = ", ".join(scenario.name for scenario in session.scenarios)
                turn_over(f"{turn}: {session.durability}: {names}: {perf_counter() - begun:.0f} s")


def _tell_more(tell: Tell, turn: str, text: str) -> None:
    tell(f"{turn}: {text}")


def steps(sessions: Sequence[Session], rounds: int, brokers: Sequence[str]) -> int:
    """How many broker starts `run` makes."""
    return len(brokers) * sum(min(rounds, session.rounds_max) for session in sessions)


def _run(session: Session, broker: str, results: Results, sizes: Sizes, tell: Tell) -> None:
    doing = "start"
    # Not in /tmp, which may be memory: data is to lie on the disk on which one works.
    DATA.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=DATA) as folder:
        room = Path(folder)
        try:
            with prepared(broker, session.durability, room) as server:
                running = Running(
                    server=server,
                    durability=session.durability,
                    sizes=sizes,
                    room=room,
                    add=lambda quantity, value: results.add(quantity, broker, value),
                    tell=tell,
                    note=lambda text: results.notes.append(f"{broker}: {text}"),
                )
                if session.warm:
                    tell("starting")
                    server.start()
                    doing = "warm-up"
                    warm_up.measure(running)
                for scenario in session.scenarios:
                    doing = scenario.name
                    scenario.measure(running)
        except (TidingsError, OSError, SubprocessError) as error:
            said = str(error).splitlines() or [repr(error)]
            failure = f"{broker}, {session.durability}, {doing}: {' … '.join(dict.fromkeys((said[0], said[-1])))}"
            tell(failure)
            results.failures.append(failure)


def _raise_file_limit() -> None:
    """As many files as we may have, for us and for both brokers: ten thousand partitions and connections need them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
