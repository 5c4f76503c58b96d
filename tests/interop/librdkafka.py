"""librdkafka's own tests, run by its own test runner against a `tidings up`.

    python -m tests.interop.librdkafka                        all that needs a broker
    python -m tests.interop.librdkafka 0030 0081              these
    python -m tests.interop.librdkafka --suite 2.15.1         of another version of librdkafka
    python -m tests.interop.librdkafka --protocol consumer    all consumers in the group protocol of KIP-848
    python -m tests.interop.librdkafka --one-copy 0103 0107 0111   those that want three copies of a topic, with one
    python -m tests.interop.librdkafka --continue             only what an earlier run on this commit has not done

Some tests run side by side (--jobs), as in its own builds. One that fails so is run once more, alone, and it says so.

librdkafka's sources, tests included, are part of two packages of npm's. They are built in .peers/ with a C and a C++
compiler and the headers of OpenSSL, zlib, zstd and RapidJSON (in Debian: build-essential libssl-dev zlib1g-dev
libzstd-dev rapidjson-dev).
Its quick mode (-Q) is not used: many tests return at once in it and count as passed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.interop.suites import PEERS, Outcome, Results, State, build, end, fetch_npm, machine, run
from tests.peers.apache_kafka import LIBS

from tidings.testing.broker import BrokerProcess

PACKAGES = {"2.12.0": ("node-rdkafka", "3.6.1"), "2.15.1": ("@confluentinc/kafka-javascript", "1.10.1")}
"""librdkafka's version, and the package of npm's in which it comes."""

KAFKA_VERSION = "4.2.0"
"""What the tests are told that the broker is: they choose by it what to ask."""

SETTINGS = (
    "--partitions=4",
    "--set=group.consumer.session.timeout.ms=6000",
    "--set=group.consumer.heartbeat.interval.ms=1000",
    "--set=group.share.min.record.lock.duration.ms=1000",
)
"""What the suite sets when it starts Apache Kafka itself."""

SCENARIOS = {"default": (), "noautocreate": ("--no-auto-create",)}

TIMEOUT_S = 240
PATIENCE = "test.timeout.multiplier=2"
"""Its tests allow themselves what they take on the machines of its makers."""
LONGER_S = {
    "0113": 900,
    "0150": 400,
    "0098": 600,
    "0103": 600,
    "0081": 600,
    "0038": 400,
    "0056": 400,
    "0170": 400,
    "0174": 400,
    "0184": 400,
}
"""These are also begun first."""

ALONE = ("0055",)
"""What measures times, and is not run beside others."""

_THREE_COPIES = re.compile(r"(create_topic\w*\([^;]*, )3(, \d+\)|\))")

_DECLARED = re.compile(r"(\d{4})_\w+,\s*([^,)]*)")
_SCENARIO = re.compile(r"\.scenario = \"([\w,]+)\"")
_COLOUR = re.compile(r"\x1b\[\d+m")
_ENDED = re.compile(r"=+ Test (\w+) (PASSED|FAILED|SKIPPED) =+")
_FAILED_AT = re.compile(r"### Test \"(\w+)[^\n]*failed at [^\n]*###\n([^\n]*)")
_SKIPPED_FOR = re.compile(r"\[(\w+) */[^\]]*\] (?:WARN: )?SKIPPING TEST: ([^\n]*)")


@dataclass(frozen=True)
class Test:
    """What test.c declares: tests of the same number run together."""

    number: str
    scenario: str


def sources(version: str) -> Path:
    """librdkafka's folder, with its test runner built."""
    folder = fetch_npm(*PACKAGES[version]) / "deps" / "librdkafka"
    if not (folder / "tests" / "test-runner").exists():
        build(["./configure", "--disable-gssapi", "--disable-curl"], folder)
        build(["make", "-j2", "libs"], folder)
        build(["make", "-j2", "-C", "tests", "build"], folder)
    return folder


def with_one_copy(folder: Path) -> Path:
    """The tests, built anew so that they ask for one copy where they ask for three; else they are the same."""
    tests = folder / "tests-one-copy"
    if not tests.exists():
        shutil.copytree(folder / "tests", tests, symlinks=True)
        for source in [*tests.glob("0*.c"), *tests.glob("0*.cpp")]:
            before = source.read_text()
            after = _THREE_COPIES.sub(r"\g<1>1\2", before)
            if after != before:
                source.write_text(after)
        build(["make", "test-runner"], tests)
    return tests


def declared(folder: Path) -> list[Test]:
    """The tests that need a broker, by number and scenario."""
    found: dict[Test, None] = {}
    for declaration in (folder / "tests" / "test.c").read_text().split("\n    _TEST(")[1:]:
        named = _DECLARED.match(declaration)
        scenario = _SCENARIO.search(declaration)
        if named and not {"TEST_F_LOCAL", "TEST_F_MANUAL"} & set(re.findall(r"\w+", named[2])):
            found[Test(named[1], scenario[1] if scenario and "default" not in scenario[1] else "default")] = None
    return list(found)


def run_test(test: Test, tests: Path, bootstrap: str, setup: Path, room: Path, protocol: str) -> Iterator[Outcome]:
    """All tests of one number, in a process of their own. `tests` is the folder with the runner."""
    folder = tests.parent
    environment = {
        "TESTS": test.number,
        "RDKAFKA_TEST_CONF": str(setup / "test.conf"),
        "TEST_KAFKA_VERSION": KAFKA_VERSION,
        "TEST_SCENARIO": test.scenario,
        "LD_LIBRARY_PATH": f"{folder}/src:{folder}/src-cpp",
        "KAFKA_PATH": str(setup / "kafka"),
        "BROKERS": bootstrap,
    }
    if protocol != "classic":
        environment["TEST_CONSUMER_GROUP_PROTOCOL"] = protocol
    log = room / f"{test.number}-{test.scenario}.log"
    timeout_s = LONGER_S.get(test.number, TIMEOUT_S)
    done = run(
        ["./test-runner", "-p1", "-L", "-K"],
        cwd=tests, timeout_s=timeout_s, environment=environment, log=log,
    )  # fmt: skip
    text = _COLOUR.sub("", done.output)
    reasons = {name: reason.strip() for name, reason in [*_SKIPPED_FOR.findall(text), *_FAILED_AT.findall(text)]}
    ended: dict[str, State] = {}
    for name, state in _ENDED.findall(text):
        if name.startswith(test.number):
            ended[name] = "passed" if state == "PASSED" else "failed" if state == "FAILED" else "skipped"
    for name in re.findall(r"=+ Running test (\w+) =+", text):
        if ended.get(name, "failed") == "failed":
            ended[name] = "timed out" if done.code is None else "failed" if name in reasons else "crashed"
    for name, ended_as in ended.items():
        yield Outcome(name, ended_as, round(done.seconds, 1), "" if ended_as == "passed" else reasons.get(name, ""))


def prepare(setup: Path, bootstrap: str) -> None:
    """The runner's configuration, and a folder that looks like Apache Kafka's to the tests that call its tools.

    One of them compiles and runs a program with Java's client; for that it takes a JDK and what
    `scripts/install-test-peers` installs.
    """
    setup.mkdir(parents=True, exist_ok=True)
    (setup / "test.conf").write_text(f"bootstrap.servers={bootstrap}\ntest.topic.random=true\n{PATIENCE}\n")
    tools = setup / "kafka" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    ours = f"{sys.executable} {Path(__file__).with_name('kafka_tools.py')}"
    commands = {tool: f"{ours} {tool}" for tool in ("kafka-topics.sh", "kafka-acls.sh")}
    commands["kafka-run-class.sh"] = f'java -cp "$CLASSPATH:{LIBS}/*"'
    for name, command in commands.items():
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    libraries = setup / "kafka" / "libs"
    if not libraries.is_symlink():
        libraries.symlink_to(LIBS)


class Runs:
    """The tests of one scenario on one broker, some at a time.

    `setup` is a folder of this run's own, for what the tests read; `room` is where their logs go.
    """

    def __init__(
        self, results: Results, runner: Path, setup: Path, room: Path, protocol: str, broker: BrokerProcess | None
    ) -> None:
        self.results = results
        self.runner = runner
        self.setup = setup
        self.room = room
        self.protocol = protocol
        self.broker = broker

    def all(self, tests: Sequence[Test], bootstrap: str, jobs: int) -> None:
        prepare(self.setup, bootstrap)
        waiting = [test for test in tests if not self.results.has(_job(test))]
        waiting.sort(key=lambda test: -LONGER_S.get(test.number, 0))
        with ThreadPoolExecutor(jobs) as beside:
            one = partial(self.one, bootstrap=bootstrap)
            list(beside.map(one, [test for test in waiting if test.number not in ALONE]))
        for test in waiting:
            if test.number in ALONE:
                self.one(test, bootstrap, alone=True)
            elif jobs > 1 and self.results.failed(_job(test)):
                self.one(test, bootstrap, alone=True, note="failed beside others")

    def one(self, test: Test, bootstrap: str, *, alone: bool = False, note: str = "") -> None:
        with machine(alone=alone):
            if self.broker is not None and not self.broker.running:
                self.broker.start()  # it failed a test before this one, not this one
            outcomes = list(run_test(test, self.runner, bootstrap, self.setup, self.room, self.protocol))
            if self.broker is not None and not self.broker.running:
                reason = f"the broker ended: {self.broker.child.tail()[-300:]}"
                outcomes = [replace(outcome, state="crashed", reason=reason) for outcome in outcomes]
        if note:
            outcomes = [replace(one, reason=one.reason or note) for one in outcomes]
        self.results.add(_job(test), outcomes)


def _job(test: Test) -> str:
    return f"{test.number}-{test.scenario}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="tests to run; all if none is named")
    parser.add_argument("--suite", choices=list(PACKAGES), default="2.12.0", help="librdkafka's version")
    parser.add_argument("--protocol", choices=["classic", "consumer"], default="classic", help="of consumer groups")
    parser.add_argument("--one-copy", action="store_true", help="of topics, where a test wants three brokers for it")
    parser.add_argument("--jobs", type=int, default=1, help="how many tests at a time")
    parser.add_argument("--continue", action="store_true", dest="goes_on", help="where a run on this commit ended")
    parser.add_argument("--bootstrap", help="a broker that runs already; default: one of our own for each scenario")
    parser.add_argument("--json", type=Path, help="where the result goes")
    chosen = parser.parse_args(arguments)
    folder = sources(chosen.suite)
    runner = with_one_copy(folder) if chosen.one_copy else folder / "tests"
    tests = [test for test in declared(folder) if not chosen.numbers or test.number in chosen.numbers]
    name = f"librdkafka-{chosen.suite}-{chosen.protocol}" + ("-one-copy" if chosen.one_copy else "")
    path = chosen.json or PEERS / "results" / f"{name}.json"
    results = Results(name, chosen.suite, path, again=not chosen.goes_on)
    for scenario, settings in SCENARIOS.items():
        of_scenario = [test for test in tests if test.scenario == scenario]
        room = PEERS / "logs" / name / scenario
        if not of_scenario:
            continue
        with tempfile.TemporaryDirectory(prefix="tidings-") as folder_of_run:
            place = Path(folder_of_run)
            broker = None
            if chosen.bootstrap is None:
                broker = BrokerProcess(place / "data", arguments=[*SETTINGS, *settings]).start()
            try:
                runs = Runs(results, runner, place / "setup", room, chosen.protocol, broker)
                runs.all(of_scenario, broker.bootstrap if broker else chosen.bootstrap, chosen.jobs)
            finally:
                if broker is not None:
                    end(broker, room)
    return results.summarise()


if __name__ == "__main__":
    sys.exit(main())
