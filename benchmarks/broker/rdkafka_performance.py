"""librdkafka's own rdkafka_performance: the throughput of a whole client in C."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.interop.librdkafka import sources
from tests.interop.suites import PEERS, build

from tidings.errors import UnavailableError

VERSION = "2.12.0"
TIMEOUT_S = 600.0

LINGER = ("-X", "linger.ms=5")
"""librdkafka's own default. Untold, rdkafka_performance waits a second before it sends the last batch."""

_PRODUCED = re.compile(r"(\d+) messages produced .*?, (\d+) delivered \(offset \d+, (\d+) failed\) in (\d+)ms")
_CONSUMED = re.compile(r"(\d+) messages \(\d+ bytes\) consumed in (\d+)ms")
_LIBRARIES = re.compile(r"^LIBS\+?=\s*(.*)$", re.MULTILINE)


class Transferred(NamedTuple):
    records: int
    seconds: float


def program() -> Path:
    """Built from librdkafka's sources in .peers/, against the library built there."""
    built = PEERS / "build" / f"rdkafka_performance-{VERSION}"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        folder = sources(VERSION)
        libraries = " ".join(_LIBRARIES.findall((folder / "Makefile.config").read_text())).split()
        compiler = ["cc", "-O2", "-w", "-Isrc", "-o", str(built)]
        build([*compiler, "examples/rdkafka_performance.c", "src/librdkafka.a", *libraries], folder)
    return built


def produce(port: int, topic: str, *, size_bytes: int, count: int, lz4: bool, payload: bytes) -> Transferred:
    """`count` records of `payload`, to partition 0, acknowledged by all (`acks=-1`), in batches as large as librdkafka
    makes them untold. The time is from before it connects until the last delivery report."""
    codec = ["-z", "lz4"] if lz4 else []
    pattern = ["-s", str(size_bytes), "-m", payload.decode()]
    said = _run(port, "-P", "-t", topic, "-p", "0", "-c", str(count), "-a", "-1", *LINGER, *pattern, *codec)
    found = _PRODUCED.search(said)
    if found is None or int(found[2]) != count or int(found[3]):
        raise UnavailableError(f"rdkafka_performance did not deliver {count} records: {said[-500:]}")
    return Transferred(count, int(found[4]) / 1000)


def consume(port: int, topic: str, *, count: int) -> Transferred:
    """`count` records from the beginning of partition 0. The time is from the first record to the last."""
    said = _run(port, "-C", "-t", topic, "-p", "0", "-c", str(count), "-o", "beginning")
    found = _CONSUMED.search(said)
    if found is None or int(found[1]) < count:
        raise UnavailableError(f"rdkafka_performance did not read {count} records: {said[-500:]}")
    return Transferred(int(found[1]), int(found[2]) / 1000)


def _run(port: int, *arguments: str) -> str:
    command = [str(program()), "-b", f"127.0.0.1:{port}", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"rdkafka_performance ended with {done.returncode}: {done.stdout[-500:]}{done.stderr}")
    return done.stdout
