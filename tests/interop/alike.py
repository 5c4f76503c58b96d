"""What two brokers' tools said, made comparable: ids, ports and times alike, what has a reason to differ left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.interop.java_tools import Said

ALIKE = [
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"^(1\s+127\.0\.0\.1\s+)\d+", r"\1PORT"),
    (r"(TopicId|ClusterId):\s+\S+", "ID"),
    (r"\bme-[0-9a-f-]{36}", "MEMBER"),
    (r"\b\d{13}\b", "TIME"),
    (r"(Ongoing\s+60000\s+TIME)\s+\d+", r"\1 MS"),  # for how long a transaction has been open
    (r"HighWatermark:\s+\d+", "HighWatermark: N"),
    (r"^1\s+(A+)\s+\d+", r"1 \1 N"),  # the end of the metadata log
    (r"CONTROLLER://|PLAINTEXT://", ""),  # one address serves both here
    (r"min\.insync\.replicas=1,", ""),  # Apache Kafka sets it, for the sake of eligible leader replicas (KIP-966)
    (r"\s+", " "),
]
LEFT_OUT = re.compile(r"\tat |Caused by: |\[main\] ERROR|\s+min\.insync\.replicas=|\s+tidings\.retention=")
"""Stack traces, and what only one of the two has."""


def alike(said: Said) -> tuple[int, list[str]]:
    text = []
    for line in said.text.splitlines():
        if line.startswith('{"'):
            text += sorted(log_dirs(line))
        elif line.strip() and not LEFT_OUT.match(line):
            for pattern, instead in ALIKE:
                line = re.sub(pattern, instead, line)
            text.append(line.strip())
    return said.code, sorted(text)


def log_dirs(said: str) -> Iterator[str]:
    """Partitions and their sizes: where they lie, and on how large a disk, is each broker's own."""
    for broker in json.loads(said)["brokers"]:
        for folder in broker["logDirs"]:
            yield f"{folder['error']}"
            for partition in folder["partitions"]:
                yield json.dumps(partition, sort_keys=True)
