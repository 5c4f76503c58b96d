"""The orders that all handle: made once for a broker, the same for everybody, and what came of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

import msgspec
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from benchmarks.service.peers.orders import Order, Shipment
from tidings.errors import UnavailableError
from tidings.events.context import NOTHING
from tidings.events.envelope import Headers, headers_for
from tidings.events.ids import new_id

PARTITIONS = 6
CUSTOMERS = 5_000
TIMEOUT_S = 30.0
SEED = 7


class Streams:
    """Topics of the broker at `bootstrap`, seen from outside."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def create(self, topic: str) -> str:
        (made,) = self._admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values()
        made.result(TIMEOUT_S)
        return topic

    def delete(self, topic: str) -> None:
        (gone,) = self._admin.delete_topics([topic]).values()
        gone.result(TIMEOUT_S)

    def fill(self, topic: str, count: int, *, bare: bool = False, compression: str = "none") -> None:
        """Write `count` orders, numbered from 0 on, of customers drawn by a seed: with the headers that a service's
        `emit` gives them, or none. Raises UnavailableError if one is not acknowledged."""
        draw = random.Random(SEED).randrange
        encode = msgspec.json.Encoder().encode

        def orders(number: int) -> tuple[bytes, bytes]:
            customer = f"c-{draw(CUSTOMERS)}"
            order = Order(f"o-{number}", number, customer, f"p-{number % 500}", number % 9 + 1, "59.80")
            return customer.encode(), encode(order)

        self.write(topic, count, orders, type_name="" if bare else "Order", compression=compression)

    def write(
        self,
        topic: str,
        count: int,
        record: Callable[[int], tuple[bytes, bytes]],
        *,
        type_name: str,
        compression: str = "none",
    ) -> None:
        """Write `count` records, of which `record` makes key and value, with the headers of events of a type."""
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "partitioner": "murmur2_random",
                "compression.type": compression,
                "linger.ms": 20,
                "log_level": 0,
                "enable.idempotence": True,
                "delivery.report.only.error": True,
                "queue.buffering.max.messages": 200_000,
            }
        )
        failed: list[object] = []
        now_ms = int(time.time() * 1000)
        for number in range(count):
            key, value = record(number)
            headers = self._headers(type_name, now_ms)
            while True:
                try:
                    producer.produce(
                        topic, value, key, headers=headers, on_delivery=lambda error, _: failed.append(error)
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(TIMEOUT_S) or failed:
            raise UnavailableError(f"{topic} could not be filled: {failed[:1] or 'not acknowledged in time'}")

    def _headers(self, type_name: str, now_ms: int) -> Headers:
        if not type_name:
            return []
        return headers_for(new_id(now_ms), "/shop", type_name, now_ms, NOTHING)

    def ends(self, topic: str) -> dict[int, int]:
        """The offset that comes next in each partition, whatever it is that stands before."""
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        asked = self._admin.list_offsets(
            dict.fromkeys(places, OffsetSpec.latest()), isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        return {place.partition: found.result(TIMEOUT_S).offset for place, found in asked.items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """How far a group has come, transactions that are not over apart."""
        wanted = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        (asked,) = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], require_stable=True
        ).values()
        places = asked.result(TIMEOUT_S).topic_partitions
        return {place.partition: max(0, place.offset) for place in places}

    def until_committed(self, group: str, topic: str, ends: Mapping[int, int], timeout_s: float) -> float | None:
        """When the group's positions had reached `ends` (seconds of the monotonic clock); None if they have not."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            committed = self.committed(group, topic)
            seen_s = time.monotonic()
            if all(committed.get(partition, 0) >= end for partition, end in ends.items()):
                return seen_s
            time.sleep(0.01)
        return None

    def shipments(self, topic: str) -> tuple[int, int]:
        """How many orders have a shipment in `topic`, and how many have several: what is committed counts."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "benchmark-check",
                "log_level": 0,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        decode = msgspec.json.Decoder(Shipment).decode
        times: dict[int, int] = {}
        at_end: set[int] = set()
        try:
            while len(at_end) < PARTITIONS:
                for message in consumer.consume(5_000, 0.5):
                    if message.error() is not None:
                        at_end.add(message.partition())
                    else:
                        number = decode(message.value()).number
                        times[number] = times.get(number, 0) + 1
        finally:
            consumer.close()
        return len(times), sum(each > 1 for each in times.values())
