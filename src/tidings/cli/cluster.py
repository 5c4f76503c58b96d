"""What the commands ask of a broker, or of a cluster of them: which streams there are, how far they go, who reads them.

All of it through Kafka's protocol, so the answers are as good on Apache Kafka.
"""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tidings.cli.moments import Start
from tidings.errors import OperatorError, UnavailableError
from tidings.service.url import bootstrap_servers

Partition = tuple[str, int]
Offsets = dict[Partition, int]

TIMEOUT_S = 10
_CONNECT_TIMEOUT_S = 3


@dataclass(slots=True)
class GroupState:
    """A consumer group: who is in it, and where it stands."""

    name: str
    state: str
    members: list[str] = field(default_factory=list)
    committed: Offsets = field(default_factory=dict)


class Cluster:
    """Connects at once, and raises UnavailableError if nobody answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bootstrap = bootstrap_servers(url)
        self._check_that_somebody_listens()
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _check_that_somebody_listens(self) -> None:
        """librdkafka goes on trying, without a word, where a refused connection says all there is to know."""
        for server in self.bootstrap.split(","):
            host, _, port = server.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_S).close()
            except (OSError, OverflowError):
                continue
            return
        raise UnavailableError(f"no broker answers at {self.url}")

    def _metadata(self) -> Any:
        """Asked anew each time: streams come and go."""
        try:
            return self._admin.list_topics(timeout=TIMEOUT_S)
        except KafkaException as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: KafkaException) -> UnavailableError:
        return UnavailableError(f"{self.url} did not answer as a broker does: {error.args[0].str()}")

    @property
    def servers(self) -> list[str]:
        """HOST:PORT of every broker, as they tell it themselves."""
        return [f"{broker.host}:{broker.port}" for broker in self._metadata().brokers.values()]

    def streams(self, *, internal: bool = False) -> dict[str, list[Partition]]:
        """The streams and their partitions. Those that begin with two underscores are the broker's own."""
        return {
            name: [(name, partition) for partition in sorted(topic.partitions)]
            for name, topic in sorted(self._metadata().topics.items())
            if internal or not name.startswith("__")
        }

    def partitions(self, stream: str) -> list[Partition]:
        """Raises OperatorError if there is no such stream."""
        streams = self.streams(internal=True)
        if stream not in streams:
            near = difflib.get_close_matches(stream, streams, n=1)
            raise OperatorError(
                f"there is no stream {stream!r}",
                f"Did you mean {near[0]!r}?" if near else "`tidings streams` lists those there are.",
            )
        return streams[stream]

    def begins(self, partitions: Iterable[Partition]) -> Offsets:
        """The offset of the first record that is kept."""
        return {at: offset for at, (offset, _) in self._list_offsets(partitions, OffsetSpec.earliest()).items()}

    def ends(self, partitions: Iterable[Partition]) -> Offsets:
        """The offset behind the last record."""
        return {at: offset for at, (offset, _) in self._list_offsets(partitions, OffsetSpec.latest()).items()}

    def first_times(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The timestamp of the first record of each partition that has any, in milliseconds since the epoch."""
        return self._times(partitions, OffsetSpec.for_timestamp(0))

    def last_times(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The highest timestamp in each partition that has any records."""
        return self._times(partitions, OffsetSpec.max_timestamp())

    def _times(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        return {at: time_ms for at, (_, time_ms) in self._list_offsets(partitions, spec).items() if time_ms >= 0}

    def starts(self, partitions: Iterable[Partition], start: Start) -> Offsets:
        """Where `start` lies in each partition: within what it holds."""
        partitions = list(partitions)
        if start.kind == "end":
            return self.ends(partitions)
        begins = self.begins(partitions)
        if start.kind == "beginning":
            return begins
        ends = self.ends(partitions)
        if start.kind == "offset":
            return {at: min(max(start.value, begins[at]), ends[at]) for at in partitions}
        found = self._list_offsets(partitions, OffsetSpec.for_timestamp(start.value))
        return {at: offset if offset >= 0 else ends[at] for at, (offset, _) in found.items()}

    def _list_offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, tuple[int, int]]:
        asked = {TopicPartition(*at): spec for at in partitions}
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, request_timeout=TIMEOUT_S)
        results = {at: self._result(answer) for at, answer in answers.items()}
        return {(at.topic, at.partition): (result.offset, result.timestamp) for at, result in results.items()}

    def group_names(self) -> list[str]:
        listed = self._result(self._admin.list_consumer_groups(request_timeout=TIMEOUT_S))
        return sorted(group.group_id for group in listed.valid)

    def groups(self, names: Iterable[str]) -> list[GroupState]:
        """How each of the groups stands. One that does not exist has no members and no positions."""
        names = list(names)
        if not names:
            return []
        described = self._admin.describe_consumer_groups(names, request_timeout=TIMEOUT_S)
        found = []
        for name in names:
            group = self._result(described[name])
            members = [f"{member.client_id}@{member.host.lstrip('/')}" for member in group.members]
            found.append(GroupState(name, group.state.name.lower().replace("_", " "), members, self.committed(name)))
        return found

    def committed(self, group: str) -> Offsets:
        """The positions a group has committed: the offset of the next record it will read."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        asked = ConsumerGroupTopicPartitions(group)
        answers: Mapping[str, Future[Any]] = self._admin.list_consumer_group_offsets([asked], request_timeout=TIMEOUT_S)
        positions = self._result(answers[group]).topic_partitions
        return {(at.topic, at.partition): at.offset for at in positions if at.offset >= 0}

    def _result(self, answer: Future[Any]) -> Any:
        try:
            return answer.result(TIMEOUT_S)
        except KafkaException as error:
            raise self._unavailable(error) from None
        except TimeoutError:
            raise UnavailableError(f"{self.url} did not answer in {TIMEOUT_S} s") from None
