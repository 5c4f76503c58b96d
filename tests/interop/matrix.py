"""Every client's producer against every client's consumer, on one broker.

    python -m tests.interop.matrix                        the table, for a `tidings up` of its own
    python -m tests.interop.matrix --bootstrap HOST:PORT  for a broker that runs already

Each client is a small program (tests/interop/clients/) with the command line that clients/python/contract.py tells.
A process does many cells: a producer fills its topics once, and a consumer reads all topics of all producers.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop.suites import PEERS, ROOT
from tests.peers.apache_kafka import java_command

from tidings.testing.broker import BrokerProcess

CLIENTS = ("librdkafka", "java", "franz-go", "kafkajs", "aiokafka", "kafka-python")
HOW_PRODUCED = ("idempotent", "transactional")
ISOLATIONS = ("read_uncommitted", "read_committed")
PROTOCOLS = ("classic", "consumer")
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")

ONLY_CLASSIC = ("kafkajs", "aiokafka", "kafka-python")
"""They do not have the protocol of KIP-848, in the versions that are used here."""

NO_NULL_HEADERS = ("kafkajs", "aiokafka", "kafka-python")
"""They take only bytes for a header's value, when they produce."""

PARTITIONS = 2
FIRST_MS = 1_700_000_000_000
PROCESS_S_MAX = 90
AT_A_TIME = 2

PROGRAMS = Path(__file__).with_name("clients")
SMALL_JVM = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")

Step = dict[str, Any]
Told = dict[str, Any]


class Mode(NamedTuple):
    """How a consumer reads."""

    client: str
    protocol: str
    isolation: str


MODES = [
    Mode(client, protocol, isolation)
    for client in CLIENTS
    for protocol in PROTOCOLS
    if protocol == "classic" or client not in ONLY_CLASSIC
    for isolation in ISOLATIONS
]


def command(client: str) -> list[str]:
    """What starts a client's program. `scripts/install-test-peers` has built those that are not in Python."""
    match client:
        case "java":
            start = java_command("Client", jvm=SMALL_JVM)
            start[start.index("-cp") + 1] += f":{PEERS / 'java'}"
            return start
        case "franz-go":
            return [str(PEERS / "go" / "client")]
        case "kafkajs":
            return ["node", str(PROGRAMS / "node" / "client.mjs")]
        case _:
            module = {"librdkafka": "librdkafka", "aiokafka": "aio", "kafka-python": "blocking"}[client]
            return [sys.executable, "-m", f"tests.interop.clients.python.{module}"]


def run(client: str, *arguments: str, script: Sequence[Step] = ()) -> list[Told]:
    """What the program printed. Raises AssertionError, with what it said, if it failed."""
    done = subprocess.run(
        [*command(client), *arguments],
        input="".join(json.dumps(step) + "\n" for step in script),
        capture_output=True, text=True, cwd=ROOT, timeout=PROCESS_S_MAX, check=False,
        env={**os.environ, "NODE_PACKAGES": str(PEERS / "node" / "node_modules")},
    )  # fmt: skip
    assert done.returncode == 0, f"{client} {' '.join(arguments)} ended with {done.returncode}\n{done.stderr[-3000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def topic_of(producer: str, how: str) -> str:
    return f"{producer}-{how}"


TOPICS = [topic_of(producer, how) for producer in CLIENTS for how in HOW_PRODUCED]


def idempotent_script(producer: str) -> list[Step]:
    """Of each compression, one record of every kind into every partition."""
    steps: list[Step] = []
    for compression in COMPRESSIONS:
        for partition in range(PARTITIONS):
            for key, value, headers in kinds(producer, f"{compression} {partition}"):
                steps.append(step(producer, "idempotent", partition, compression, key, value, headers, len(steps)))
    return steps


def transactional_script(producer: str) -> list[Step]:
    """Of each compression, a transaction that is committed, one that is aborted, and one that is committed."""
    steps: list[Step] = []
    for compression in COMPRESSIONS:
        for number, end in enumerate(("commit", "abort", "commit")):
            for partition in range(PARTITIONS):
                for key in (b"a", b"b"):
                    value = f"{compression} {number} {end}".encode() * 20
                    at = producer, "transactional", partition, compression
                    steps.append(step(*at, key, value, [("end", end.encode())], len(steps)))
            steps.append({"compression": compression, "end": end})
    return steps


def kinds(producer: str, text: str) -> Iterator[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]:
    yield f"key of {text}".encode(), f"value of {text}".encode(), [("kind", b"plain")]
    yield None, f"no key, {text}".encode(), []
    yield b"gone", None, [("kind", b"tombstone")]
    yield b"", b"", []
    yield bytes(range(256)), os.urandom(64) + b"tidings " * 2000, [("kind", b"large")]
    no_value = b"" if producer in NO_NULL_HEADERS else None
    yield "schlüssel".encode(), b"\x00", [("many", b"1"), ("ключ", b"\xff\x00"), ("many", b"2"), ("none", no_value)]


def step(
    producer: str, how: str, partition: int, compression: str,
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], number: int,
) -> Step:  # fmt: skip
    return {
        "topic": topic_of(producer, how), "partition": partition, "compression": compression,
        "key": text(key), "value": text(value), "headers": [[name, text(of)] for name, of in headers],
        "timestamp": FIRST_MS + 1000 * number,
    }  # fmt: skip


def text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


@dataclass
class Matrix:
    """All that was sent and read. What a client failed at is in `failures`, by client and command."""

    bootstrap: str
    versions: dict[str, str] = field(default_factory=dict)
    sent: dict[str, list[Step]] = field(default_factory=dict)
    read: dict[Mode, dict[str, list[Told]]] = field(default_factory=dict)
    failures: dict[tuple[str, ...], str] = field(default_factory=dict)
    out_of_order: list[str] = field(default_factory=list)

    def fill(self) -> None:
        """Have everything produced, and read in every mode, a few processes at a time."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in TOPICS]).values():
            created.result(30)
        with ThreadPoolExecutor(AT_A_TIME) as beside:
            list(beside.map(self._produce, [(client, how) for client in CLIENTS for how in HOW_PRODUCED]))
            list(beside.map(self._consume, MODES))

    def _produce(self, which: tuple[str, str]) -> None:
        client, how = which
        script = idempotent_script(client) if how == "idempotent" else transactional_script(client)
        arguments = ["produce", "--bootstrap", self.bootstrap]
        if how == "transactional":
            arguments = ["produce-transactions", *arguments[1:], "--transactional-id", topic_of(client, how)]
        try:
            version, *acknowledged = run(client, *arguments, script=script)
            records = [one for one in script if "end" not in one]
            assert len(acknowledged) == len(records), "not each record has its offset"
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.failures[which] = str(error)
            return
        self.versions[client] = version["version"]
        offsets = iter(acknowledged)
        # Whether a record is in a transaction that is aborted, the script says only behind it.
        sent: list[Step] = []
        aborted: list[bool] = []
        for one in reversed(script):
            if "end" in one:
                aborted.append(one["end"] == "abort")
            else:
                sent.append({**one, "aborted": bool(aborted and aborted[-1])})
        stored = [{**one, **next(offsets)} for one in reversed(sent)]
        # Each producer keeps its order; producers for different compressions run beside each other.
        self.sent[topic_of(*which)] = sorted(stored, key=lambda one: one["offset"])
        self.out_of_order += [topic_of(*which)] if out_of_order(stored) else []

    def _consume(self, mode: Mode) -> None:
        expected = [record for topic in self.sent for record in self.visible(topic, mode.isolation)]
        arguments = ["--bootstrap", self.bootstrap, "--topics", ",".join(self.sent), "--count", str(len(expected))]
        arguments += ["--isolation", mode.isolation, "--protocol", mode.protocol, "--group", group_of(mode)]
        try:
            version, *told = run(mode.client, "consume", *arguments, "--timeout-s", "60")
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.failures[mode] = str(error)
            return
        self.versions[mode.client] = version["version"]
        by_topic: dict[str, list[Told]] = defaultdict(list)
        for record in told:
            by_topic[record["topic"]].append(record)
        self.read[mode] = by_topic

    def visible(self, topic: str, isolation: str) -> list[Step]:
        return [one for one in self.sent[topic] if isolation == "read_uncommitted" or not one["aborted"]]

    def passed(self, producer: str, how: str, mode: Mode) -> bool:
        topic = topic_of(producer, how)
        if topic not in self.sent or mode not in self.read:
            return False
        return alike(self.read[mode][topic]) == alike(self.visible(topic, mode.isolation))


def out_of_order(stored: Sequence[Step]) -> bool:
    """Whether two records of one producer and partition are stored the other way around than they were sent."""
    last: dict[tuple[int, str], int] = {}
    for one in stored:
        of = one["partition"], one["compression"]
        if one["offset"] <= last.get(of, -1):
            return True
        last[of] = one["offset"]
    return False


def group_of(mode: Mode) -> str:
    return "-".join(mode)


def alike(records: Sequence[Told]) -> dict[int, list[Any]]:
    """By partition, in their order. Of headers, only those of one name have an order that every client tells."""
    found: dict[int, list[Any]] = defaultdict(list)
    for one in records:
        headers: dict[str, list[str | None]] = defaultdict(list)
        for name, value in one["headers"]:
            headers[name].append(value)
        found[one["partition"]].append((one["offset"], one["timestamp"], one["key"], one["value"], dict(headers)))
    return dict(found)


def table(matrix: Matrix) -> str:
    """In Markdown: producers in rows, a consumer's protocols in columns; how many of a cell's four readings passed."""
    columns = [
        (client, protocol)
        for client in CLIENTS
        for protocol in PROTOCOLS
        if protocol == "classic" or client not in ONLY_CLASSIC
    ]
    lines = ["| produced by, read by → | " + " | ".join(f"{client}, {protocol}" for client, protocol in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for producer in CLIENTS:
        cells = []
        for client, protocol in columns:
            of = [
                matrix.passed(producer, how, Mode(client, protocol, isolation))
                for how in HOW_PRODUCED
                for isolation in ISOLATIONS
            ]
            cells.append(f"{sum(of)} of {len(of)}")
        lines.append(f"| {matrix.versions.get(producer, producer)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", help="a broker that runs already; default: one of our own")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tidings-") as data:
        broker = BrokerProcess(Path(data) / "data")
        if chosen.bootstrap is None:
            broker.start()
        try:
            matrix = Matrix(chosen.bootstrap or broker.bootstrap)
            matrix.fill()
        finally:
            broker.stop()
    print(table(matrix))
    for which, failure in matrix.failures.items():
        print(f"\n{' '.join(which)}\n{failure}")
    return int(bool(matrix.failures))


if __name__ == "__main__":
    sys.exit(main())
