"""How soon a broker is there, how little it takes, and how soon it is back; beside Apache Kafka on the same machine.

    python -m benchmarks.footprint              a table
    python -m benchmarks.footprint --markdown   for docs/performance.md
    python -m benchmarks.footprint --json

The two take turns, five rounds each; shown are the median and, in brackets, the least and the most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from rich.console import Console
from rich.table import Table
from tests.peers.apache_kafka import KAFKAS_OWN_JVM, ApacheKafka

from benchmarks.raw_client import first_acknowledged
from tidings.testing.broker import BrokerProcess

ROUNDS = 5
IDLE_S = 5
TOPIC = "first"

Server = BrokerProcess | ApacheKafka


@dataclass
class Figures:
    """One round of one server."""

    first_ack_ms: float
    first_ack_confluent_ms: float
    idle_rss_mb: float
    restart_ms: float
    stop_ms: float


MEANINGS = {
    "first_ack_ms": "start to first acknowledged record, raw socket (ms)",
    "first_ack_confluent_ms": "start to first acknowledged record, confluent-kafka (ms)",
    "idle_rss_mb": f"resident after {IDLE_S} s idle (MB)",
    "restart_ms": "start again on its data to acknowledged record, raw socket (ms)",
    "stop_ms": "orderly stop, SIGTERM to exit (ms)",
}
TARGETS = {"first_ack_ms": 500.0, "first_ack_confluent_ms": 500.0, "idle_rss_mb": 60.0}
"""What Tidings promises."""


@contextmanager
def prepared(make: Callable[[Path], Server]) -> Iterator[Server]:
    """A server with a fresh folder, not started; ended whatever happens."""
    with tempfile.TemporaryDirectory(prefix="tidings-footprint-") as folder:
        server = make(Path(folder) / "data")
        if isinstance(server, ApacheKafka):
            server.format()  # not counted: it is done once, ahead
        try:
            yield server
        finally:
            server.kill()


def confluent_first_acknowledged(server: Server) -> None:
    """Through librdkafka, told to knock every 10 ms: its defaults would measure its own back-off."""
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {
            "bootstrap.servers": server.bootstrap,
            "acks": "all",
            "linger.ms": 0,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 10,
            "retry.backoff.ms": 10,
            "retry.backoff.max.ms": 10,
            "topic.metadata.refresh.fast.interval.ms": 10,
            "log_level": 0,
        }
    )
    producer.produce(TOPIC, b"value", b"key", on_delivery=delivered)
    if producer.flush(60) or failed:
        raise KafkaException(failed[0] if failed else "no acknowledgement within 60 s")


def elapsed_ms(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def resident_mb(pid: int) -> float:
    """Of the process and those it started, in MB of a million bytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    status = Path(f"/proc/{pid}/status").read_text()
    own_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return own_kb * 1024 / 1e6 + sum(resident_mb(int(child)) for child in children)


def measure(make: Callable[[Path], Server]) -> Figures:
    with prepared(make) as server:

        def up_to_raw() -> None:
            server.launch()
            first_acknowledged(server.port, TOPIC)

        first_ack_ms = elapsed_ms(up_to_raw)
        time.sleep(IDLE_S)
        idle_rss_mb = resident_mb(server.pid)
        stop_ms = elapsed_ms(server.stop)
        restart_ms = elapsed_ms(up_to_raw)
    with prepared(make) as server:

        def up_to_confluent() -> None:
            server.launch()
            confluent_first_acknowledged(server)

        first_ack_confluent_ms = elapsed_ms(up_to_confluent)
    return Figures(first_ack_ms, first_ack_confluent_ms, idle_rss_mb, restart_ms, stop_ms)


def tidings(data: Path) -> Server:
    return BrokerProcess(data)


def apache_kafka(data: Path) -> Server:
    return ApacheKafka(data, jvm=KAFKAS_OWN_JVM)


def machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    where = said("stat", "--file-system", "--format=%T", tempfile.gettempdir())
    java = said("java", "-version") or "no Java"
    return f"{model}, {os.cpu_count()} cores, data on {where}, Python {platform.python_version()}, {java}"


def said(*command: str) -> str:
    """The first line a command prints, wherever; empty if it is not there."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]


def shown(values: list[float]) -> str:
    return f"{median(values):,.0f} [{min(values):,.0f}-{max(values):,.0f}]"


def rows(results: dict[str, list[Figures]]) -> Iterator[tuple[str, ...]]:
    for name, meaning in MEANINGS.items():
        target = f"< {TARGETS[name]:,.0f}" if name in TARGETS else ""
        yield (meaning, target, *(shown([getattr(round_, name) for round_ in results[server]]) for server in results))


def print_table(results: dict[str, list[Figures]]) -> None:
    table = Table("", "target", *results, title=rf"Median of {ROUNDS} \[least-most]", caption=machine())
    for row in rows(results):
        table.add_row(*row)
    Console().print(table)


def print_markdown(results: dict[str, list[Figures]], command: str) -> None:
    print(f"Measured by `{command}` on {machine()}. Median of {ROUNDS} rounds in turns, [least-most].\n")
    print(f"| | target | {' | '.join(results)} |")
    print(f"|---|---|{'---|' * len(results)}")
    for row in rows(results):
        print(f"| {' | '.join(row)} |")


def as_json(results: dict[str, list[Figures]]) -> str:
    medians = {
        server: {name: round(median(getattr(round_, name) for round_ in rounds), 1) for name in MEANINGS}
        for server, rounds in results.items()
    }
    rounds = {server: [asdict(round_) for round_ in figures] for server, figures in results.items()}
    return json.dumps({"machine": machine(), "medians": medians, "rounds": rounds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--alone", action="store_true", help="Tidings only: needs no Java")
    options = parser.parse_args()
    servers = {"Tidings": tidings} if options.alone else {"Tidings": tidings, "Apache Kafka 4.3.1": apache_kafka}
    results: dict[str, list[Figures]] = {name: [] for name in servers}
    for round_ in range(1, ROUNDS + 1):
        for name, make in servers.items():
            Console(stderr=True).print(f"round {round_} of {ROUNDS}: {name}", style="dim")
            results[name].append(measure(make))
    if options.json:
        print(as_json(results))
    elif options.markdown:
        flag = " --markdown" if not options.alone else " --markdown --alone"
        print_markdown(results, f"python -m benchmarks.footprint{flag}")
    else:
        print_table(results)


if __name__ == "__main__":
    main()
