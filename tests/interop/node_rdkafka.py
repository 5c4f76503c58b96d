"""node-rdkafka's own end-to-end tests, run against a `tidings up`.

    python -m tests.interop.node_rdkafka                  all of them
    python -m tests.interop.node_rdkafka consumer groups  the files e2e/consumer.spec.js and e2e/groups.spec.js

They are part of its package on npm. The addon is compiled with the headers of the Node.js that is installed, and linked
to the librdkafka that `tests.interop.librdkafka` has built from the same package.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop.librdkafka import PACKAGES, sources
from tests.interop.suites import PEERS, Outcome, Results, build, end, machine, run

from tidings.testing.broker import BrokerProcess

LIBRDKAFKA = "2.12.0"
VERSION = PACKAGES[LIBRDKAFKA][1]
FILE_S_MAX = 600
TEST_MS_MAX = 120_000
TOPICS = ("test", "test2", "test3", "test4", "test5", "test6")
"""What the package's run_docker.sh makes, of one partition each, before its tests: some expect that they are there."""


def addon() -> Path:
    """The package's folder, with all that its tests need."""
    librdkafka = sources(LIBRDKAFKA)
    folder = librdkafka.parents[1]
    if not (folder / "node_modules" / ".bin" / "mocha").exists():
        build(["npm", "install", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    if not (folder / "build" / "Release" / "node-librdkafka.node").exists():
        paths = [librdkafka / "src", librdkafka / "src-cpp"]
        environment = {
            "BUILD_LIBRDKAFKA": "0",
            "CXXFLAGS": " ".join(f"-I{path}" for path in paths),
            "LDFLAGS": " ".join(f"-L{path} -Wl,-rpath,{path}" for path in paths),
        }
        build(["npx", "node-gyp", "rebuild", "--nodedir=/usr"], folder, environment)
    return folder


def make_topics(bootstrap: str) -> None:
    """`TOPICS`. Raises KafkaException for one that is there already: the tests are about fresh ones."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for made in admin.create_topics([NewTopic(topic, 1, 1) for topic in TOPICS]).values():
        made.result()


def run_file(spec: Path, folder: Path, bootstrap: str, room: Path) -> Iterator[Outcome]:
    """All tests of one file, in a process of their own."""
    report = room / f"{spec.stem}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = ["node_modules/.bin/mocha", "--exit", f"--timeout={TEST_MS_MAX}", "--reporter=json"]
    command += [f"--reporter-option=output={report}", str(spec)]
    done = run(
        command,
        cwd=folder, timeout_s=FILE_S_MAX, environment={"KAFKA_HOST": bootstrap}, log=room / f"{spec.stem}.log",
    )  # fmt: skip
    if not report.exists():
        yield Outcome(spec.stem, "timed out" if done.code is None else "crashed", round(done.seconds, 1))
        return
    told = json.loads(report.read_text())
    pending = {test["fullTitle"] for test in told["pending"]}
    for test in told["tests"]:
        yield _outcome(spec.stem, test, pending)
    for failure in told["failures"]:
        if failure["fullTitle"] not in {test["fullTitle"] for test in told["tests"]}:  # a hook before or after it
            yield _outcome(spec.stem, failure, pending)


def _outcome(name: str, test: dict[str, Any], pending: set[str]) -> Outcome:
    title = f"{name}: {test['fullTitle']}"
    seconds = round(test.get("duration", 0) / 1000, 1)
    if test["fullTitle"] in pending:
        return Outcome(title, "skipped", seconds)
    if test["err"]:
        return Outcome(title, "failed", seconds, next(iter(test["err"].get("message", "").splitlines()), ""))
    return Outcome(title, "passed", seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="by their names without .spec.js; all if none is named")
    parser.add_argument("--bootstrap", help="a broker that runs already; default: one of our own")
    parser.add_argument("--json", type=Path, help="where the result goes")
    chosen = parser.parse_args(arguments)
    folder = addon()
    specs = sorted((folder / "e2e").glob("*.spec.js"))
    room = PEERS / "logs" / f"node-rdkafka-{VERSION}"
    results = Results("node-rdkafka", VERSION, chosen.json or PEERS / "results" / "node-rdkafka.json")
    with tempfile.TemporaryDirectory(prefix="tidings-") as data:
        broker = BrokerProcess(Path(data) / "data")
        if chosen.bootstrap is None:
            broker.start()
        try:
            make_topics(chosen.bootstrap or broker.bootstrap)
            for spec in specs:
                if chosen.files and spec.name.removesuffix(".spec.js") not in chosen.files:
                    continue
                bootstrap = chosen.bootstrap or broker.bootstrap
                with machine(alone=False):
                    results.add(spec.stem, list(run_file(spec, folder, bootstrap, room)))
        finally:
            end(broker, room)
    return results.summarise()


if __name__ == "__main__":
    sys.exit(main())
