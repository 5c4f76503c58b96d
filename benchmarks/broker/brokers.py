"""The two who are compared, each with an empty folder, and told alike when a record is safe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

from tests.peers.apache_kafka import KAFKAS_OWN_JVM, ApacheKafka

from benchmarks.machine import have_at_hand
from benchmarks.results import TIDINGS
from tidings.testing.broker import BrokerProcess

STARTING_BYTES = 1_500_000_000
"""Memory to have at hand at a start: Kafka's heap, and more."""

KAFKA = "Apache Kafka"

Durability = Literal["default", "os", "fsync"]
"""What an acknowledgement waits for: what each does untold (Tidings: the disk, Kafka: the page cache), the page cache
of both, the disk of both."""

_TIDINGS: dict[Durability, list[str]] = {
    "default": [],
    "os": ["--durability", "os"],
    "fsync": ["--durability", "fsync"],
}
_KAFKA: dict[Durability, dict[str, str]] = {"default": {}, "os": {}, "fsync": {"log.flush.interval.messages": "1"}}


class Server(Protocol):
    """What `BrokerProcess` and `ApacheKafka` have in common."""

    port: int

    @property
    def pid(self) -> int: ...
    @property
    def running(self) -> bool: ...
    def launch(self) -> object: ...
    def start(self) -> object: ...
    def kill(self) -> None: ...


def _tidings(folder: Path, durability: Durability) -> Server:
    # Bytecode is written as usual, whatever the environment says: users of an installed Tidings have it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return BrokerProcess(folder / "data", arguments=_TIDINGS[durability])


def _kafka(folder: Path, durability: Durability) -> Server:
    server = ApacheKafka(folder, jvm=KAFKAS_OWN_JVM, settings=_KAFKA[durability])
    server.format()
    return server


BROKERS: dict[str, Callable[[Path, Durability], Server]] = {TIDINGS: _tidings, KAFKA: _kafka}


@contextmanager
def prepared(broker: str, durability: Durability, room: Path) -> Iterator[Server]:
    """A broker that is not started, its data in an empty folder in `room`; the disk has nothing left to write.

    When left it is killed, and its folder is gone.
    """
    with TemporaryDirectory(prefix="broker-", dir=room, ignore_cleanup_errors=True) as folder:
        server = BROKERS[broker](Path(folder), durability)
        os.sync()
        have_at_hand(STARTING_BYTES, room)
        try:
            yield server
        finally:
            if server.running:
                server.kill()


def free_gb(room: Path) -> float:
    """What the disk under `room` has left, in GB."""
    return shutil.disk_usage(room).free / 1e9
