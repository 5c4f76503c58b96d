"""What every client of the matrix does at its command line, in whichever language it is written.

    produce               the records on stdin, idempotently
    produce-transactions  the same in transactions, each of which ends with a line that says how
    consume               until it has had --count records; commits, leaves the group, and ends

A line of stdin is a record as JSON (`topic, partition, compression, key, value, headers, timestamp`), or `compression`
and `end` (`commit` or `abort`). Bytes are in base64, and null where there are none. There is a producer for each
compression, whose transactional id is that of the command line with the compression behind it.

The first line of stdout is `{"version": …}`. A producer then prints `{"offset": …}` for each record, in their order; a
consumer prints each record as it came, without its compression and with its offset. An error ends the program with a
code that is not 0.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    compression: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


@dataclass(frozen=True)
class End:
    """Of a transaction of the producer with this compression."""

    compression: str
    commit: bool


@dataclass(frozen=True)
class Asked:
    """The command line of `consume`."""

    bootstrap: str
    topics: list[str]
    group: str
    isolation: str
    protocol: str
    count: int
    timeout_s: float

    def deadline(self) -> float:
        return monotonic() + self.timeout_s


Produce = Callable[[str, str | None, Iterator[Record | End]], None]


def run(version: str, produce: Produce, consume: Callable[[Asked], None]) -> None:
    """The whole program. `produce` is given where to connect, the transactional id if any, and what to do."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["produce", "produce-transactions", "consume"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--transactional-id")
    parser.add_argument("--topics", default="")
    parser.add_argument("--group", default="")
    parser.add_argument("--isolation", default="read_uncommitted")
    parser.add_argument("--protocol", default="classic")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--timeout-s", type=float, default=60)
    line = parser.parse_args()
    _tell({"version": version})
    if line.command == "consume":
        topics = line.topics.split(",")
        consume(Asked(line.bootstrap, topics, line.group, line.isolation, line.protocol, line.count, line.timeout_s))
    else:
        produce(line.bootstrap, line.transactional_id, _script())
    sys.stdout.flush()


def acknowledged(offset: int) -> None:
    _tell({"offset": offset})


def received(
    topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int
) -> None:
    told: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset, "timestamp": timestamp_ms}
    told |= {"key": _text(key), "value": _text(value), "headers": [[name, _text(of)] for name, of in headers]}
    _tell(told)


def _script() -> Iterator[Record | End]:
    for line in sys.stdin:
        told = json.loads(line)
        if "end" in told:
            yield End(told["compression"], told["end"] == "commit")
        else:
            headers = [(name, _bytes(value)) for name, value in told["headers"]]
            at = told["topic"], told["partition"], told["compression"]
            yield Record(*at, _bytes(told["key"]), _bytes(told["value"]), headers, told["timestamp"])


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what))
