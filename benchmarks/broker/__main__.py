"""Tidings beside Apache Kafka on this machine, in turn, one at a time: speed, latency, memory, work, start.

Without SCENARIO it runs the standard ones in half an hour and writes docs/performance.md: five rounds of both brokers,
both with acknowledgements from the page cache, and both with a sync before each acknowledgement.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import perf_counter

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.peers.apache_kafka import java_command

from benchmarks.broker import load, rdkafka_performance, report, runner, sessions, versions
from benchmarks.broker.brokers import BROKERS
from benchmarks.broker.results import Results, read
from benchmarks.broker.sizes import QUICK, STANDARD
from benchmarks.machine import describe
from tidings.errors import OperatorError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
KEPT = Path(__file__).with_name("results")
SO_FAR = runner.DATA / "so-far.json"
"""What an interrupted run had."""

RUNS = ("standard", "further")
"""Whose results are kept and shown in the docs."""

EXAMPLES = """\
examples:
  python -m benchmarks.broker                        the standard run: five rounds, half an hour, docs written
  python -m benchmarks.broker --further              10,000 partitions, 10,000 connections, 50 GB; docs written
  python -m benchmarks.broker --quick                whether all of it works, in some minutes; the figures say little
  python -m benchmarks.broker throughput requests --durability os --rounds 1
  python -m benchmarks.broker requests --broker Tidings --rounds 3 --json
  python -m benchmarks.broker --render               docs once more, from the results that are kept
"""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.broker",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"only these: {', '.join(sessions.NAMES)}")
    parser.add_argument("--further", action="store_true", help="what is not in the standard run")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--durability", choices=["default", "os", "fsync"], help="only scenarios with these acks")
    parser.add_argument("--broker", choices=list(BROKERS), action="append", help="only this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep the results in FILE, and leave the docs")
    parser.add_argument("--render", action="store_true", help="measure nothing; write the docs from what is kept")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.scenarios) - set(sessions.NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(sessions.NAMES)}")
    if chosen.rounds < 1:
        parser.error("--rounds: at least 1")
    return chosen


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 if anything could not be measured, 2 if something it needs is missing."""
    chosen = options(arguments)
    try:
        if chosen.render:
            write_docs()
            return 0
        prepare()
    except OperatorError as error:
        print(f"{error}: {error.way_out}", file=sys.stderr)
        return 2
    part = chosen.scenarios or chosen.quick or chosen.broker or chosen.durability or chosen.results
    path = chosen.results if part else KEPT / f"{RUNS[chosen.further]}.json"
    results = measure(chosen, arguments)
    if path is not None:
        results.write(path)
    if chosen.json:
        print(results.encode().decode())
    else:
        report.show(results, Console(width=None if sys.stdout.isatty() else 160))
    if not part:
        write_docs()
    return int(bool(results.failures))


def prepare() -> None:
    """Build what has to be built, before anything is measured. Raises OperatorError, and says what is missing."""
    load.program()
    rdkafka_performance.program()
    java_command("kafka.Kafka")


def measure(chosen: argparse.Namespace, arguments: Sequence[str]) -> Results:
    """One run; what it has so far is in SO_FAR after each broker's turn."""
    sizes = QUICK if chosen.quick else STANDARD
    results = Results(
        command=shlex.join(["python", "-m", "benchmarks.broker", *arguments]),
        machine=describe(),
        versions=versions.found(),
        day=date.today().isoformat(),
        rounds=1 if chosen.quick else chosen.rounds,
        sizes=msgspec.structs.asdict(sizes),
    )
    todo = sessions.chosen(chosen.scenarios, further=chosen.further, durability=chosen.durability)
    brokers = chosen.broker or list(BROKERS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    begun = perf_counter()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=runner.steps(todo, results.rounds, brokers))

        def tell(text: str) -> None:
            progress.update(task, description=text)

        def turn_over(text: str) -> None:
            progress.console.print(text, style="bright_black", markup=False)
            progress.advance(task)
            results.write(SO_FAR)

        runner.run(todo, results, sizes, brokers, tell, turn_over)
    results.notes.append(f"The run took {(perf_counter() - begun) / 60:.0f} minutes.")
    return results


def write_docs() -> None:
    """docs/performance.md and its plot, from what is kept. Raises OperatorError if nothing is."""
    kept = [path for name in RUNS if (path := KEPT / f"{name}.json").exists()]
    if not kept:
        raise OperatorError(f"no results are kept in {KEPT}", "run python -m benchmarks.broker")
    report.write_docs(PAGE, [read(path) for path in kept])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
