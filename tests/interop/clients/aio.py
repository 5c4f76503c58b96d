"""aiokafka: the protocol in Python, on asyncio. Its event loop runs in a thread, so that it lives between our calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.interop.clients.base import HEARTBEAT_MS, Got, Position

T = TypeVar("T")


class AioClient:
    survives_restart = True

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def create_topic(self, topic: str, partitions: int) -> None:
        self.run(self._create_topic(topic, partitions))

    async def _create_topic(self, topic: str, partitions: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            response = await admin.create_topics([NewTopic(topic, partitions, 1)])
            assert [error[1] for error in response.topic_errors] == [0], response
        finally:
            await admin.close()

    def produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        return self.run(self._produce(topic, compression, records))

    async def _produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if compression == "none" else compression,
            acks="all",
            enable_idempotence=True,
            linger_ms=20,
        )
        await producer.start()
        try:
            sent = [await producer.send(topic, value.encode(), key.encode()) for key, value in records]
            stored = await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return {value: Position(at.partition, at.offset) for (_, value), at in zip(records, stored, strict=True)}

    def join(self, topic: str, group: str) -> AioMember:
        return AioMember(self, topic, group)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class AioMember:
    def __init__(self, client: AioClient, topic: str, group: str) -> None:
        self._client = client
        self._consumer = client.run(self._start(topic, group))

    async def _start(self, topic: str, group: str) -> Any:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self._client.bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=HEARTBEAT_MS,
            session_timeout_ms=30_000,
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    def assignment(self) -> set[int]:
        return {p.partition for p in self._consumer.assignment()}

    def poll(self) -> list[Got]:
        by_partition = self._client.run(self._consumer.getmany(timeout_ms=50))
        return [
            Got(Position(record.partition, record.offset), record.value.decode())
            for records in by_partition.values()
            for record in records
        ]

    def commit(self) -> None:
        self._client.run(self._consumer.commit())

    def leave(self) -> None:
        self._client.run(self._consumer.stop())
