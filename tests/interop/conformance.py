"""All of other people's test suites on one commit, side by side, and one table of what came of them.

    python -m tests.interop.conformance            all; some fifteen minutes on two cores
    python -m tests.interop.conformance --continue what an earlier run on this commit has not done, or not to its end

Each suite is a process of its own, with a broker of its own; what it prints goes to .peers/logs/conformance/. What came
of each test is in .peers/results/.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from tests.interop.suites import FAILURES, PEERS, ROOT, commit

AT_A_TIME = 4
SUITE_S_MAX = 5400


@dataclass(frozen=True)
class Suite:
    """`module` is run with `arguments`; its results are in the file of this name."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()

    @property
    def results(self) -> Path:
        return PEERS / "results" / f"{self.name}.json"


SHARE = ("0170", "0171", "0172", "0173", "0174", "0175", "0176", "0177", "0178", "0179", "0180", "0181", "0184", "0185")
"""librdkafka's tests of share groups (KIP-932) that need a broker."""

THREE_COPIES = ("0098", "0103", "0107", "0111")
"""Its tests that want a topic in three copies, which is more than one broker has."""

SUITES = (
    Suite("librdkafka-2.12.0-classic", "librdkafka", ("--jobs=3",)),
    Suite("librdkafka-2.12.0-consumer", "librdkafka", ("--jobs=3", "--protocol=consumer")),
    Suite("librdkafka-2.12.0-one-copy", "librdkafka", ("--one-copy", *THREE_COPIES)),
    Suite("librdkafka-2.15.1-share", "librdkafka", ("--suite=2.15.1", "--jobs=2", *SHARE)),
    Suite("librdkafka-2.15.1-newer", "librdkafka", ("--suite=2.15.1", "--jobs=2", "0077", "0129")),
    Suite("kafka-python", "kafka_python"),
    Suite("node-rdkafka", "node_rdkafka"),
)


def run_suite(suite: Suite, goes_on: bool) -> None:
    log = PEERS / "logs" / "conformance" / f"{suite.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = [*suite.arguments, f"--json={suite.results}"]
    if goes_on and suite.module == "librdkafka":
        arguments.append("--continue")
    began = monotonic()
    print(f"{suite.name}: begins", flush=True)
    with log.open("w") as output:
        try:
            command = [sys.executable, "-m", f"tests.interop.{suite.module}", *arguments]
            subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, timeout=SUITE_S_MAX, check=False)
        except subprocess.TimeoutExpired:
            print(f"{suite.name} was stopped after {SUITE_S_MAX} s", flush=True)
    print(f"{suite.name}: {monotonic() - began:.0f} s", flush=True)


def found(suite: Suite) -> dict[str, Any]:
    """What is known of it, if that is of this commit."""
    if not suite.results.exists():
        return {}
    told: dict[str, Any] = json.loads(suite.results.read_text())
    return told if told.get("commit") == commit() else {}


def table(suites: Sequence[Suite]) -> str:
    """In Markdown: what was run, and below it each test that did not pass."""
    lines = [f"Commit {commit()}", "", "| suite | version | run | passed | wall time |", "|---|---|---|---|---|"]
    failures = []
    for suite in suites:
        told = found(suite)
        if not told:
            lines.append(f"| {suite.name} | | none | | |")
            continue
        counts = told["counts"]
        run = sum(counts.values()) - counts.get("skipped", 0)
        name = suite.name if told["complete"] else f"{suite.name} (not to its end)"
        lines.append(f"| {name} | {told['version']} | {run} | {counts.get('passed', 0)} | {told['seconds']} s |")
        failures += [
            f"- {suite.name}: {one['test']}: {one['state']}. {one['reason'][:200]}"
            for outcomes in told["jobs"].values()
            for one in outcomes
            if one["state"] in FAILURES or (one["state"] == "passed" and one["reason"])
        ]
    return "\n".join([*lines, "", *failures])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--continue", action="store_true", dest="goes_on", help="where a run on this commit ended")
    chosen = parser.parse_args(arguments)
    waiting = [suite for suite in SUITES if not (chosen.goes_on and found(suite).get("complete"))]
    with ThreadPoolExecutor(AT_A_TIME) as beside:
        list(beside.map(lambda suite: run_suite(suite, chosen.goes_on), waiting))
    print(table(SUITES))
    return int(not all(found(suite).get("complete") for suite in SUITES))


if __name__ == "__main__":
    sys.exit(main())
