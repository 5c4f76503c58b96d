"""Services on one broker and the same orders: Tidings, FastStream, Quix Streams, and clients without a framework.

Without SCENARIO it runs the standard ones and writes docs/performance-services.md: three rounds of a typed handler, of
one that waits 10 ms, and of one that answers, exactly once and at least once. The competitors come from PyPI, into
.peers/, when they are first needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import command, versions
from benchmarks.broker.brokers import BROKERS
from benchmarks.results import TIDINGS, Results
from benchmarks.service import report, runner
from benchmarks.service.cases import CASES
from benchmarks.service.competitors import COMPETITORS
from benchmarks.service.sizes import QUICK, STANDARD
from tidings.errors import OperatorError

MODULE = "benchmarks.service"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance-services.md"
KEPT = Path(__file__).with_name("results")
SO_FAR = runner.DATA / "so-far-service.json"
"""What an interrupted run had."""

SCENARIOS = (*(case.name for case in CASES), *runner.FURTHER)

EXAMPLES = """\
examples:
  python -m benchmarks.service                       the standard run: three rounds, docs written
  python -m benchmarks.service --further             a table of a million rows, memory over ten million events
  python -m benchmarks.service --quick               whether all of it works; the figures say little
  python -m benchmarks.service typed exactly-once --peer Tidings --peer librdkafka --rounds 1
  python -m benchmarks.service --broker "Apache Kafka" --results on-kafka.json
  python -m benchmarks.service --render              docs once more, from the results that are kept
"""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.parser(MODULE, __doc__, EXAMPLES, SCENARIOS)
    parser.set_defaults(rounds=3)
    parser.add_argument("--peer", choices=list(COMPETITORS), action="append", help="only this one; repeatable")
    parser.add_argument("--broker", choices=list(BROKERS), default=TIDINGS, help="whose broker they all use")
    return command.parsed(parser, arguments, SCENARIOS)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 if anything could not be measured, 2 if something it needs is missing."""
    chosen = options(arguments)
    try:
        if chosen.render:
            write_docs()
            return 0
        results = measure(chosen, arguments)
    except OperatorError as error:
        print(f"{error}: {error.way_out}", file=sys.stderr)
        return 2
    part = chosen.scenarios or chosen.quick or chosen.peer or chosen.results or chosen.broker != TIDINGS
    path = chosen.results if part else KEPT / f"{command.RUNS[chosen.further]}.json"
    code = command.finish(results, chosen, path, report.show)
    if not part:
        write_docs()
    return code


def measure(chosen: argparse.Namespace, arguments: Sequence[str]) -> Results:
    """One run; what it has so far is in SO_FAR after each turn. Raises OperatorError if a competitor cannot be had."""
    sizes = QUICK if chosen.quick else STANDARD
    names = chosen.peer or list(COMPETITORS)
    for name in names:
        COMPETITORS[name].environment.prepare()
    wanted = chosen.scenarios or (list(runner.FURTHER) if chosen.further else [case.name for case in CASES])
    cases = [case for case in CASES if case.name in wanted]
    further = [name for name in runner.FURTHER if name in wanted]
    results = command.results_of(MODULE, arguments, chosen, _versions(names), sizes)
    steps = runner.steps(cases, further, names, results.rounds)
    with command.told(results, steps, SO_FAR) as (tell, turn_over):
        runner.run(cases, further, names, chosen.broker, results, sizes, tell, turn_over)
    return results


def _versions(names: Sequence[str]) -> dict[str, str]:
    """Of Tidings and of what the competitors stand on; clients of other versions are told with whose they are."""
    found = {TIDINGS: versions.tidings()}
    for name in names:
        for package, version in COMPETITORS[name].environment.versions().items():
            known = found.setdefault(package, version)
            if known != version:
                found[f"{package} of {COMPETITORS[name].program}"] = version
    return found


def write_docs() -> None:
    """docs/performance-services.md, from what is kept. Raises OperatorError if nothing is."""
    report.write_docs(PAGE, list(command.kept(KEPT, MODULE).values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
