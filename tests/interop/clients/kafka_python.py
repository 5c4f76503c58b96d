"""kafka-python: the protocol in Python, blocking."""

from __future__ import annotations

import gc
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaConnectionError
from tests.interop.clients.base import HEARTBEAT_MS, Got, Position


class KafkaPythonClient:
    survives_restart = True

    def __init__(self, bootstrap: str) -> None:
        self.common = {"bootstrap_servers": bootstrap, "reconnect_backoff_max_ms": 500}
        # What it logs of a broker that is away would keep its connections from `gc.collect` in `close`.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)

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
    """Polls in a thread of its own, with patience: it joins within `poll` only, and anew if that ends too early."""

    def __init__(self, common: dict[str, object], topic: str, group: str) -> None:
        self._consumer = KafkaConsumer(
            topic,
            **common,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        self._lock = threading.Lock()
        self._received: list[Got] = []
        self._orders: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] = queue.SimpleQueue()
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._running:
            with suppress(KafkaConnectionError):  # the broker is away
                found = self._consumer.poll(timeout_ms=100)
                with self._lock:
                    self._received += [_got(record) for records in found.values() for record in records]
            while not self._orders.empty():
                work, done = self._orders.get()
                try:
                    done.set_result(work())
                except Exception as error:
                    done.set_exception(error)

    def assignment(self) -> set[int]:
        return {p.partition for p in self._consumer.assignment()}

    def poll(self) -> list[Got]:
        self._order(lambda: None)  # the thread has polled once more
        with self._lock:
            found, self._received = self._received, []
        return found

    def commit(self) -> None:
        self._order(self._consumer.commit)

    def _order(self, work: Callable[[], None]) -> None:
        """Have the thread do it between two polls: the consumer is not made for two threads."""
        done: Future[None] = Future()
        self._orders.put((work, done))
        done.result(60)

    def leave(self) -> None:
        self._running = False
        self._thread.join(30)
        self._consumer.close(autocommit=False)


def _got(record: Any) -> Got:
    return Got(Position(record.partition, record.offset), record.value.decode())
