"""kafka-python's own integration tests, run against a `tidings up`.

    python -m tests.interop.kafka_python                  all of them
    python -m tests.interop.kafka_python test_group       those whose name contains this

They are part of its source distribution on PyPI, but for test/__init__.py, and test/service.py, which starts Apache
Kafka. In its place goes a stub: the tests have a way to use a broker that runs already, which is all that it knows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.interop.suites import PEERS, Outcome, Results, State, build, end, fetch_sdist, machine, run

from tidings.testing.broker import BrokerProcess

VERSION = "3.0.12"
KAFKA_VERSION = "4.3"
"""What the tests are told that the broker is: they choose by it what to ask. They also check what the client infers."""

SETTINGS = ("node.id=0", "num.partitions=4", "group.min.session.timeout.ms=100")
"""What the suite sets when it starts Apache Kafka itself, and its tests rely on; besides advertised.listeners."""

TEST_S_MAX = 90
SUITE_S_MAX = 3000

NEEDS = ("pytest", "pytest-mock", "pytest-timeout", "py", "crc32c", "lz4", "python-snappy", "zstandard")

STUB = '''\
"""Stands in for the module that starts brokers: this broker runs already."""


class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("only a broker that runs already can be tested")
'''


def python_of_suite() -> Path:
    """An interpreter with what the tests import. kafka-python itself is the unpacked one, by PYTHONPATH."""
    place = PEERS / "venv-kafka-python"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        build([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS], place)
    return python


def outcomes(report: Path) -> Iterator[Outcome]:
    """What pytest wrote about each test."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        seconds = round(float(case.get("time", "0")), 1)
        state: State = "passed"
        reason = ""
        for kind in ("skipped", "failure", "error"):
            if (found := case.find(kind)) is not None:
                reason = next(iter(found.get("message", "").splitlines()), "")
                timed_out = reason.startswith("Failed: Timeout")
                state = "skipped" if kind == "skipped" else "timed out" if timed_out else "failed"
        yield Outcome(name, state, seconds, reason)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("match", nargs="?", help="run the tests whose names match, as pytest's -k")
    parser.add_argument("--bootstrap", help="a broker that runs already; default: one of our own")
    parser.add_argument("--json", type=Path, help="where the result goes")
    chosen = parser.parse_args(arguments)
    folder = fetch_sdist("kafka-python", VERSION)
    (folder / "test" / "service.py").write_text(STUB)
    (folder / "test" / "__init__.py").touch()  # or Python's own package of that name would be taken
    python = python_of_suite()
    room = PEERS / "logs" / f"kafka-python-{VERSION}"
    report = room / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        str(python),
        "-m",
        "pytest",
        "test/integration",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=native",
    ]
    command += [f"--timeout={TEST_S_MAX}", "--timeout-method=signal", f"--junitxml={report}"]
    if chosen.match:
        command += ["-k", chosen.match]
    with tempfile.TemporaryDirectory(prefix="tidings-") as data:
        broker = BrokerProcess(Path(data) / "data")
        broker.arguments = ["--advertise", broker.bootstrap, *(f"--set={setting}" for setting in SETTINGS)]
        if chosen.bootstrap is None:
            broker.start()
        try:
            bootstrap = chosen.bootstrap or broker.bootstrap
            environment = {
                "KAFKA_URI": f"kafka://{bootstrap}",
                "KAFKA_VERSION": KAFKA_VERSION,
                "KAFKA_ROOT": str(folder),  # it must be a folder; nothing in it is started
                "PYTHONPATH": str(folder),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            with machine(alone=False):
                run(command, cwd=folder, timeout_s=SUITE_S_MAX, environment=environment, log=room / "pytest.log")
        finally:
            end(broker, room)
    results = Results("kafka-python", VERSION, chosen.json or PEERS / "results" / "kafka-python.json")
    results.add("integration", list(outcomes(report)))
    return results.summarise()


if __name__ == "__main__":
    sys.exit(main())
