"""How soon a broker is there, and how little it takes: Tidings beside Apache Kafka.

    python -m benchmarks.footprint [--rounds 5] [--json]

For each, in turn, from an empty folder: the time from starting the process to the first acknowledged record (over a
plain socket, so that no client library's back-off is in it), memory after five idle seconds, and the time from starting
it again after `kill -9` to the next acknowledged record. Then once more from an empty folder, with confluent-kafka in
place of the socket. Kafka runs with the heap its own start script gives it, and
the time its storage takes to format is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Protocol

from tests.peers.apache_kafka import KAFKAS_OWN_JVM, ApacheKafka

from benchmarks import confluent_client, raw_client
from benchmarks.figures import Figure, markdown
from benchmarks.machine import describe, resident_mb
from tidings.errors import OperatorError
from tidings.testing.broker import BrokerProcess

IDLE_S = 5.0
TIMEOUT_S = 60.0


class Server(Protocol):
    port: int

    @property
    def pid(self) -> int: ...
    def launch(self) -> object: ...
    def kill(self) -> None: ...


def tidings(folder: Path) -> Server:
    # Bytecode is written as usual, whatever the environment says: users of an installed Tidings have it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return BrokerProcess(folder / "data")


def kafka(folder: Path) -> Server:
    server = ApacheKafka(folder, jvm=KAFKAS_OWN_JVM)
    server.format()
    return server


SERVERS: dict[str, Callable[[Path], Server]] = {"Tidings": tidings, "Apache Kafka 4.3.1": kafka}


def measure(make: Callable[[Path], Server], figures: list[Figure]) -> None:
    """One round: adds a value to each of the four figures."""
    with _prepared(make) as server:
        figures[0].values.append(_first_record_ms(server, raw_client.write_first_record))
        sleep(IDLE_S)
        figures[2].values.append(resident_mb(server.pid))
        server.kill()
        figures[3].values.append(_first_record_ms(server, raw_client.write_first_record))
    with _prepared(make) as server:
        figures[1].values.append(_first_record_ms(server, confluent_client.write_first_record))


@contextmanager
def _prepared(make: Callable[[Path], Server]) -> Iterator[Server]:
    """A server with an empty folder, not started; ended whatever happens."""
    with tempfile.TemporaryDirectory(prefix="footprint-") as folder:
        server = make(Path(folder))
        try:
            yield server
        finally:
            server.kill()


def _first_record_ms(server: Server, write_first_record: Callable[[tuple[str, int], str, float], None]) -> float:
    begun = perf_counter()
    server.launch()
    write_first_record(("127.0.0.1", server.port), "footprint", TIMEOUT_S)
    return (perf_counter() - begun) * 1000


def new_figures() -> list[Figure]:
    return [
        Figure("start to first acknowledged record", "ms"),
        Figure("the same, through confluent-kafka", "ms"),
        Figure("memory, idle", "MB"),
        Figure("start after `kill -9` to next acknowledged record", "ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    machine = describe()
    columns = {name: new_figures() for name in SERVERS}
    try:
        for number in range(options.rounds):
            for name, make in SERVERS.items():
                print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
                measure(make, columns[name])
    except OperatorError as error:
        sys.exit(f"{error}: {error.way_out}")
    if options.json:
        figures = {name: {figure.name: figure.as_json() for figure in rows} for name, rows in columns.items()}
        print(json.dumps({"machine": machine, "figures": figures}))
    else:
        print(f"{machine}; medians of {options.rounds}, lowest and highest in brackets\n")
        print(markdown("", columns))


if __name__ == "__main__":
    main()
