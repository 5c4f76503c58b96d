"""Apache Kafka's command-line tools, one after the other in one JVM."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.peers.apache_kafka import java_command

from tidings.errors import UnavailableError

_SOURCE = Path(__file__).with_name("JavaTools.java")
_JVM = ("-Xmx200m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
}


class Said(NamedTuple):
    """What a tool printed, and its exit code."""

    code: int
    text: str


class JavaTools:
    """Each tool's standard output and error come as one text. Leaving the `with` block ends the JVM."""

    def __init__(self) -> None:
        command = java_command("", jvm=_JVM)
        command[-1:] = ["--source", "17", str(_SOURCE)]  # compiled on the way
        self._java = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, tool: str, *arguments: str) -> Said:
        """Run a tool by its script's name. Raises UnavailableError if the JVM has ended."""
        assert self._java.stdin is not None
        assert self._java.stdout is not None
        try:
            self._java.stdin.write(("\t".join([TOOLS[tool], *arguments]) + "\n").encode())
            self._java.stdin.flush()
            code, size = self._java.stdout.readline().split()
        except (OSError, ValueError) as error:
            raise UnavailableError(f"the JVM ended with code {self._java.wait(10)} at {tool}") from error
        return Said(int(code), self._java.stdout.read(int(size)).decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._java.kill()
        self._java.communicate()
