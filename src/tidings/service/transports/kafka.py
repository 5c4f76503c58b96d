"""Kafka, or whatever speaks its protocol, through librdkafka (confluent-kafka).

librdkafka has threads of its own and calls back on the thread that polls. A producer and a consumer here have one such
thread each; what happens there crosses to the event loop in batches, by one wake-up each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tidings.service.transports.base import Owner, StreamSpec, StreamState
from tidings.service.transports.kafka_consumer import KafkaGroupConsumer, KafkaReader
from tidings.service.transports.kafka_errors import Outage, translate, translated
from tidings.service.transports.kafka_instances import Instance
from tidings.service.transports.kafka_producer import KafkaProducer
from tidings.service.transports.kafka_transactor import KafkaTransactor, Member
from tidings.service.url import bootstrap_servers

librdkafka_log = logging.getLogger("tidings.librdkafka")
"""librdkafka's own log repeats itself while a broker is away. Set this logger's level to read it."""
librdkafka_log.setLevel(logging.CRITICAL)

ADMIN_TIMEOUT_S = 10.0
SEEN_AGAIN_S = 0.02


_FETCHING = {
    "fetch.wait.max.ms": 500,
    "fetch.queue.backoff.ms": 20,
    "queued.max.messages.kbytes": 16_384,
    "topic.metadata.refresh.interval.ms": 30_000,
}


RECORD_BYTES_MAX = 8 * 1_048_576
"""The broker decides what is too large: streams may allow more than librdkafka does by itself."""


class KafkaTransport:
    def __init__(
        self,
        url: str,
        client_id: str,
        *,
        instances: Callable[[], Path] | None = None,
        group_protocol: Literal["classic", "consumer"] = "classic",
    ) -> None:
        """`instances` is where transactional ids are kept (see `kafka_instances`). `group_protocol` is how groups share
        their partitions: "classic" is what every broker knows, "consumer" is KIP-848's."""
        self._servers = bootstrap_servers(url)
        self._client_id = client_id
        self._instances = instances
        self._group_protocol = group_protocol
        self._loop = asyncio.get_running_loop()
        self._admin_client: AdminClient | None = None
        self._outage = Outage(self._servers)

    def _config(self, **settings: Any) -> dict[str, Any]:
        return {
            "bootstrap.servers": self._servers,
            "client.id": self._client_id,
            "error_cb": self._outage.error,
            "logger": librdkafka_log,
            "socket.nagle.disable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            **settings,
        }

    def producer(self, timeout_s: float | None) -> KafkaProducer:
        return KafkaProducer(
            self._config(
                **{
                    "enable.idempotence": True,
                    "acks": "all",
                    "partitioner": "murmur2_random",
                    "linger.ms": 2,
                    "message.timeout.ms": 0 if timeout_s is None else max(1, round(timeout_s * 1000)),
                }
            ),
            self._loop,
            self._outage,
        )

    def consumer(
        self, group: str, streams: Collection[str], owner: Owner, *, together: bool = False
    ) -> KafkaGroupConsumer:
        protocol: dict[str, Any] = {"group.protocol": "consumer"}
        if together:
            protocol["group.remote.assignor"] = "range"
        if self._group_protocol == "classic":
            protocol = {
                "partition.assignment.strategy": "range" if together else "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
            }
        config = self._config(
            **{
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,  # the marker of a transaction may be the last thing in a partition
                **protocol,
                **_FETCHING,
            }
        )
        return KafkaGroupConsumer(
            config, streams, owner, self._loop, self._outage, lambda member: self._transactor(group, member)
        )

    def _transactor(self, group: str, member: Member) -> KafkaTransactor:
        config = self._config(
            **{"partitioner": "murmur2_random", "linger.ms": 20, "message.max.bytes": RECORD_BYTES_MAX}
        )
        group_config = self._config(**{"group.id": group, "enable.auto.commit": False})
        instance = Instance(group, self._instances() if self._instances is not None else None)
        return KafkaTransactor(config, group_config, instance, member, self._loop, self._outage)

    def reader(self, stream: str, offsets: Mapping[int, int]) -> KafkaReader:
        config = self._config(
            **{
                "group.id": f"{self._client_id}.tables",  # required by librdkafka, never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                **_FETCHING,
            }
        )
        places = {(stream, partition): offset for partition, offset in offsets.items()}
        return KafkaReader(config, places, self._loop, self._outage)

    # Administration.

    @property
    def _admin(self) -> AdminClient:
        if self._admin_client is None:
            self._admin_client = AdminClient(self._config())
        return self._admin_client

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        existing = await asyncio.to_thread(translated, self._list_topics)
        missing = [spec for spec in streams if spec.name not in existing]
        if not missing:
            return
        topics = [NewTopic(spec.name, spec.partitions, -1, config=dict(spec.configs)) for spec in missing]
        for created in self._admin.create_topics(topics, request_timeout=ADMIN_TIMEOUT_S).values():
            try:
                await asyncio.wrap_future(created)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise translate(error.args[0]) from error
        while not existing.issuperset(spec.name for spec in missing):  # a new topic takes a moment to be seen
            await asyncio.sleep(SEEN_AGAIN_S)
            existing = await asyncio.to_thread(translated, self._list_topics)

    def _list_topics(self) -> set[str]:
        return set(self._admin.list_topics(timeout=ADMIN_TIMEOUT_S).topics)

    async def stream_state(self, stream: str) -> StreamState:
        described = self._admin.describe_topics(TopicCollection([stream]), request_timeout=ADMIN_TIMEOUT_S)[stream]
        try:
            topic = await asyncio.wrap_future(described)
            places = [TopicPartition(stream, partition.id) for partition in topic.partitions]
            begins = await self._offsets(places, OffsetSpec.earliest())
            ends = await self._offsets(places, OffsetSpec.latest())
        except KafkaException as error:
            raise translate(error.args[0]) from error
        return StreamState(str(topic.topic_id or ""), begins, ends)

    async def written_ends(self, stream: str) -> Mapping[int, int]:
        described = self._admin.describe_topics(TopicCollection([stream]), request_timeout=ADMIN_TIMEOUT_S)[stream]
        try:
            places = [
                TopicPartition(stream, partition.id) for partition in (await asyncio.wrap_future(described)).partitions
            ]
            return await self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        except KafkaException as error:
            raise translate(error.args[0]) from error

    async def _offsets(
        self,
        places: list[TopicPartition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[int, int]:
        asked = self._admin.list_offsets(
            dict.fromkeys(places, spec), isolation_level=isolation, request_timeout=ADMIN_TIMEOUT_S
        )
        return {place.partition: (await asyncio.wrap_future(found)).offset for place, found in asked.items()}

    async def close(self) -> None:
        self._admin_client = None
