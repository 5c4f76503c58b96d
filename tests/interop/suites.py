"""What runs of other people's test suites have in common.

They are fetched by name from their package registry, with its ordinary client, into .peers/, which git ignores. Each
of their tests runs by itself, with a deadline, against a broker from outside; what came of it goes into a file.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from tidings.errors import OperatorError, UnavailableError
from tidings.testing.broker import BrokerProcess

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"

State = Literal["passed", "failed", "skipped", "timed out", "crashed"]
FAILURES = ("failed", "timed out", "crashed")


@dataclass(frozen=True)
class Outcome:
    """What came of one test. `reason` is what the suite itself said about a failure or a skip."""

    test: str
    state: State
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """How a command ended. No code: it was killed when its time was up."""

    code: int | None
    seconds: float
    output: str


def fetch_npm(package: str, version: str) -> Path:
    """The unpacked files of a package of npm's, without its dependencies. Raises OperatorError without npm."""
    place = PEERS / "npm" / f"{package.replace('/', '+')}-{version}"
    return _fetched(place, ["npm", "pack", "--silent", f"{package}@{version}"], "*.tgz")


def fetch_sdist(package: str, version: str) -> Path:
    """The unpacked source distribution of a package of PyPI's, which has the tests that wheels leave out."""
    place = PEERS / "sdist" / f"{package}-{version}"
    only_source = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    return _fetched(place, [sys.executable, "-m", "pip", "download", *only_source, f"{package}=={version}"], "*.tar.gz")


def _fetched(place: Path, command: Sequence[str], pattern: str) -> Path:
    """`place`, with the one folder in the archive that `command` downloads; at once if it is there."""
    if not place.exists():
        if shutil.which(command[0]) is None:
            raise OperatorError(f"{command[0]} is not installed here", f"install what brings {command[0]}")
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        subprocess.run(command, cwd=partial, check=True, stdout=subprocess.DEVNULL)
        (archive,) = partial.glob(pattern)
        with tarfile.open(archive) as files:
            files.extractall(partial, filter="data")
        archive.unlink()
        partial.rename(place)
    (folder,) = place.iterdir()
    return folder


def run(
    command: Sequence[str], *, cwd: Path, timeout_s: float, environment: Mapping[str, str] | None = None, log: Path
) -> Run:
    """Run `command` with its output in the file `log`. When its time is up, it and all its children are killed."""
    started = monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Run(code, monotonic() - started, log.read_text(errors="replace"))


def build(command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    """One step of building a suite, at low priority. Raises OperatorError with the end of what it said."""
    done = run(
        ["nice", *command], cwd=cwd, timeout_s=3600, environment=environment, log=PEERS / "logs" / f"{cwd.name}-build"
    )
    if done.code != 0:
        raise OperatorError(f"{' '.join(command)} ended with code {done.code} in {cwd}", done.output[-2000:])


@contextmanager
def machine(*, alone: bool) -> Iterator[None]:
    """The machine for as long as a test takes: beside others that run now, in this process or another, or alone."""
    PEERS.mkdir(exist_ok=True)
    with (PEERS / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@cache
def commit() -> str:
    """What is tested: the commit, with a mark if the tree is not as it was committed."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


class Results:
    """What came of a suite's tests, told and kept as soon as it is known, so that a run that ended early goes on.

    What an earlier run on the same commit found is taken over, unless `again`. Threads may share it.
    """

    def __init__(self, suite: str, version: str, path: Path, *, again: bool = True) -> None:
        self.suite = suite
        self.version = version
        self.path = path
        self._lock = threading.Lock()
        self._began = monotonic()
        self._by_job: dict[str, list[Outcome]] = {}
        self._seconds_before = 0.0
        earlier: dict[str, Any] = {} if again or not path.exists() else json.loads(path.read_text())
        if earlier.get("commit") == commit() and not commit().endswith("-dirty"):
            self._by_job = {job: [Outcome(**one) for one in found] for job, found in earlier["jobs"].items()}
            self._seconds_before = earlier["seconds"]

    def has(self, job: str) -> bool:
        return job in self._by_job

    def failed(self, job: str) -> bool:
        return any(outcome.state in FAILURES for outcome in self._by_job[job])

    def add(self, job: str, outcomes: Sequence[Outcome]) -> None:
        """All outcomes of one job: a process of the suite's. A second run of a job replaces the first."""
        with self._lock:
            for outcome in outcomes:
                tell(outcome)
            self._by_job[job] = list(outcomes)
            self._keep(complete=False)

    def summarise(self) -> int:
        """Print the numbers; the exit code: 1 if anything failed."""
        counts = self._keep(complete=True)
        numbers = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        run = counts.total() - counts["skipped"]
        print(f"{self.suite} {self.version} on {commit()}: {run} run, {numbers}  ({self.path})")
        return int(any(counts[state] for state in FAILURES))

    def _keep(self, *, complete: bool) -> Counter[str]:
        counts = Counter(outcome.state for found in self._by_job.values() for outcome in found)
        told = {
            "suite": self.suite,
            "version": self.version,
            "commit": commit(),
            "complete": complete,
            "seconds": round(self._seconds_before + monotonic() - self._began),
            "counts": counts,
            "jobs": {job: [asdict(outcome) for outcome in found] for job, found in sorted(self._by_job.items())},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(told, indent=1) + "\n")
        partial.rename(self.path)
        return Counter(counts)


def end(broker: BrokerProcess, room: Path) -> None:
    """End a suite's broker, well or not, and keep what it said beside what the suite said."""
    if broker.running:
        with suppress(UnavailableError):
            broker.stop()
    with suppress(UnavailableError):  # it was never started
        said = broker.child.lines("stdout") + broker.child.lines("stderr")
        room.mkdir(parents=True, exist_ok=True)
        (room / "broker.log").write_text("\n".join(said) + "\n")


def tell(outcome: Outcome) -> None:
    """One line, as soon as it is known."""
    reason = f"  {outcome.reason}" if outcome.reason else ""
    print(f"{outcome.state:>9}  {outcome.seconds:6.1f} s  {outcome.test}{reason}", flush=True)
