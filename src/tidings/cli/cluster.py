"""What the commands ask of a broker, or of a cluster of them: which streams there are, how far they go, who reads them.

All of it through Kafka's protocol, so the answers are as good on Apache Kafka.
"""

from __future__ import annotations

import difflib
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tidings.cli.moments import Start
from tidings.errors import OperatorError, UnavailableError
from tidings.service.url import bootstrap_servers

Partition = tuple[str, int]
Offsets = dict[Partition, int]

TIMEOUT_S = 10
_CONNECT_TIMEOUT_S = 3
_AGAIN_S = 0.1
_PASSING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
"""What a cluster answers for a moment after a stream or a group has come into being, or a broker has gone."""


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
        results = self._ask(lambda: self._admin.list_offsets(asked, request_timeout=TIMEOUT_S))
        return {(at.topic, at.partition): (result.offset, result.timestamp) for at, result in results.items()}

    def group_names(self) -> list[str]:
        listed = self._ask(lambda: {"groups": self._admin.list_consumer_groups(request_timeout=TIMEOUT_S)})
        return sorted(group.group_id for group in listed["groups"].valid)

    def groups(self, names: Iterable[str]) -> list[GroupState]:
        """How each of the groups stands. One that does not exist has no members and no positions."""
        names = list(names)
        if not names:
            return []
        described = self._ask(lambda: self._admin.describe_consumer_groups(names, request_timeout=TIMEOUT_S))
        found = []
        for name, group in described.items():
            members = [f"{member.client_id}@{member.host.lstrip('/')}" for member in group.members]
            found.append(GroupState(name, group.state.name.lower().replace("_", " "), members, self.committed(name)))
        return found

    def committed(self, group: str) -> Offsets:
        """The positions a group has committed: the offset of the next record it will read."""
        asked = [ConsumerGroupTopicPartitions(group)]
        answers = self._ask(lambda: self._admin.list_consumer_group_offsets(asked, request_timeout=TIMEOUT_S))
        positions = answers[group].topic_partitions
        return {(at.topic, at.partition): at.offset for at in positions if at.offset >= 0}

    def _ask(self, request: Callable[[], Mapping[Any, Future[Any]]]) -> dict[Any, Any]:
        """The answers to a request; made again while a cluster is still deciding who is to answer it."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return {asked: answer.result(TIMEOUT_S) for asked, answer in request().items()}
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise self._unavailable(error) from None
            except TimeoutError:
                raise UnavailableError(f"{self.url} did not answer in {TIMEOUT_S} s") from None
            time.sleep(_AGAIN_S)
