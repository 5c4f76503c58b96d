"""Tidings beside Apache Kafka on this machine, in turn, one at a time: speed, latency, memory, work, start.

Without SCENARIO it runs the standard ones in half an hour and writes docs/performance.md: five rounds of both brokers,
both with acknowledgements from the page cache, and both with a sync before each acknowledgement.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.peers.apache_kafka import java_command

from benchmarks import command
from benchmarks.broker import load, rdkafka_performance, report, runner, sessions, versions
from benchmarks.broker.brokers import BROKERS
from benchmarks.broker.sizes import QUICK, STANDARD
from benchmarks.results import Results
from tidings.errors import OperatorError

MODULE = "benchmarks.broker"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
KEPT = Path(__file__).with_name("results")
SO_FAR = runner.DATA / "so-far.json"
"""What an interrupted run had."""

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
    parser = command.parser(MODULE, __doc__, EXAMPLES, sessions.NAMES)
    parser.add_argument("--durability", choices=["default", "os", "fsync"], help="only scenarios with these acks")
    parser.add_argument("--broker", choices=list(BROKERS), action="append", help="only this one; repeatable")
    return command.parsed(parser, arguments, sessions.NAMES)


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
    path = chosen.results if part else KEPT / f"{command.RUNS[chosen.further]}.json"
    code = command.finish(measure(chosen, arguments), chosen, path, report.show)
    if not part:
        write_docs()
    return code


def prepare() -> None:
    """Build what has to be built, before anything is measured. Raises OperatorError, and says what is missing."""
    load.program()
    rdkafka_performance.program()
    java_command("kafka.Kafka")


def measure(chosen: argparse.Namespace, arguments: Sequence[str]) -> Results:
    """One run; what it has so far is in SO_FAR after each broker's turn."""
    sizes = QUICK if chosen.quick else STANDARD
    results = command.results_of(MODULE, arguments, chosen, versions.found(), sizes)
    todo = sessions.chosen(chosen.scenarios, further=chosen.further, durability=chosen.durability)
    brokers = chosen.broker or list(BROKERS)
    with command.told(results, runner.steps(todo, results.rounds, brokers), SO_FAR) as (tell, turn_over):
        runner.run(todo, results, sizes, brokers, tell, turn_over)
    return results


def write_docs() -> None:
    """docs/performance.md and its plot, from what is kept. Raises OperatorError if nothing is."""
    report.write_docs(PAGE, list(command.kept(KEPT, MODULE).values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
