"""kcat, as Debian ships it: librdkafka 2.0.2, of 2023, at a command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from confluent_kafka.admin import AdminClient, NewPartitions
from tests.interop.clients.base import HEARTBEAT_MS, Got, Position

from tidings.errors import OperatorError
from tidings.testing.process import ChildProcess

_RECORD = re.compile(r"record (\d+) (\d+) (.*)")


def _kcat() -> str:
    path = shutil.which("kcat")
    if path is None:
        raise OperatorError("kcat is not installed here", "run scripts/install-test-peers")
    return path


class KcatClient:
    survives_restart = False  # "All broker connections are down: terminating"

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.command = [_kcat(), "-b", bootstrap, "-X", "reconnect.backoff.max.ms=500"]

    def create_topic(self, topic: str, partitions: int) -> None:
        """kcat can ask for metadata, and so have a topic created with one partition; another client adds the rest."""
        self._run("-L", "-t", topic, "-X", "allow.auto.create.topics=true")
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)

    def produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        lines = "".join(f"{key}:{value}\n" for key, value in records)
        self._run("-P", "-t", topic, "-K:", "-z", compression, "-X", "acks=all", "-X", "linger.ms=20", stdin=lines)
        return {}

    def _run(self, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            [*self.command, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    def join(self, topic: str, group: str) -> KcatMember:
        return KcatMember([*self.command, "-G", group, "-u", "-f", "record %p %o %s\n"], topic)

    def close(self) -> None:
        pass


class KcatMember:
    """Commits what it has printed every 5 s, and once more when it leaves: there is no command to commit."""

    def __init__(self, command: list[str], topic: str) -> None:
        settings = ["-X", "auto.offset.reset=earliest", "-X", f"heartbeat.interval.ms={HEARTBEAT_MS}"]
        self._process = ChildProcess([*command, *settings, topic])
        self._read = 0

    def assignment(self) -> set[int]:
        told = [line for line in self._process.lines("stderr") if "rebalanced" in line]
        if not told or "assigned:" not in told[-1]:
            return set()
        return {int(partition) for partition in re.findall(r"\[(\d+)\]", told[-1].split("assigned:")[1])}

    def poll(self) -> list[Got]:
        lines = self._process.lines_after(self._read, "stdout", timeout_s=0.05)
        self._read += len(lines)
        found = [match for line in lines if (match := _RECORD.fullmatch(line))]
        assert len(found) == len(lines), lines
        return [Got(Position(int(m[1]), int(m[2])), m[3]) for m in found]

    def commit(self) -> None:
        pass

    def leave(self) -> None:
        if self._process.exit_code is None:
            self._process.terminate(30)
