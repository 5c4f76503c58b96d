"""kafka-python: the protocol in Python, blocking."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from tests.interop.clients.base import HEARTBEAT_MS, Got, Position


class KafkaPythonClient:
    survives_restart = True

    def __init__(self, bootstrap: str) -> None:
        self.common = {"bootstrap_servers": bootstrap, "reconnect_backoff_max_ms": 500}

    def create_topic(self, topic: str, partitions: int) -> None:
        admin = KafkaAdminClient(**self.common)
        try:
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
        finally:
            admin.close()

    def produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        compression_type = None if compression == "none" else compression
        producer = KafkaProducer(**self.common, compression_type=compression_type, acks="all", linger_ms=20)
        try:
            sent = [(value, producer.send(topic, value.encode(), key.encode())) for key, value in records]
            stored = {value: future.get(30) for value, future in sent}
        finally:
            producer.close()
        return {value: Position(at.partition, at.offset) for value, at in stored.items()}

    def join(self, topic: str, group: str) -> KafkaPythonMember:
        return KafkaPythonMember(self.common, topic, group)

    def close(self) -> None:
        gc.collect()  # so that the sockets it forgot to close are found now, and not blamed on a later test


class KafkaPythonMember:
    def __init__(self, common: dict[str, object], topic: str, group: str) -> None:
        self._consumer = KafkaConsumer(
            topic,
            **common,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )

    def assignment(self) -> set[int]:
        return {p.partition for p in self._consumer.assignment()}

    def poll(self) -> list[Got]:
        return [
            Got(Position(record.partition, record.offset), record.value.decode())
            for records in self._consumer.poll(timeout_ms=50).values()
            for record in records
        ]

    def commit(self) -> None:
        self._consumer.commit()

    def leave(self) -> None:
        self._consumer.close(autocommit=False)
