"""What runs of other people's test suites have in common.

They are fetched by name from their package registry, with its ordinary client, into .peers/, which git ignores. Each
of their tests runs by itself, with a deadline, against a broker from outside; what came of it goes into a file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from tidings.errors import OperatorError

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"

State = Literal["passed", "failed", "skipped", "timed out", "crashed"]


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


def tell(outcome: Outcome) -> None:
    """One line, as soon as it is known."""
    reason = f"  {outcome.reason}" if outcome.reason else ""
    print(f"{outcome.state:>9}  {outcome.seconds:6.1f} s  {outcome.test}{reason}", flush=True)


def summarise(suite: str, version: str, outcomes: Iterable[Outcome], path: Path) -> int:
    """Write everything to the file `path`, print the numbers; the exit code: 1 if anything failed."""
    found = list(outcomes)
    counts = Counter(outcome.state for outcome in found)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"suite": suite, "version": version, "counts": counts, "outcomes": [asdict(outcome) for outcome in found]}
    path.write_text(json.dumps(told, indent=1) + "\n")
    numbers = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    print(f"{suite} {version}: {len(found) - counts['skipped']} run, {numbers}  ({path})")
    return int(bool(counts["failed"] + counts["timed out"] + counts["crashed"]))
