"""confluent-kafka: librdkafka in its present version."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop.clients.base import HEARTBEAT_MS, Got, Position

_QUIET = {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}


class ConfluentClient:
    survives_restart = True

    def __init__(self, bootstrap: str) -> None:
        self.common = {"bootstrap.servers": bootstrap, **_QUIET}

    def create_topic(self, topic: str, partitions: int) -> None:
        admin = AdminClient(self.common)
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)

    def produce(self, topic: str, compression: str, records: Sequence[tuple[str, str]]) -> dict[str, Position]:
        stored: dict[str, Position] = {}
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(error)
            else:
                stored[message.value().decode()] = Position(message.partition(), message.offset())

        producer = Producer({**self.common, "compression.type": compression, "acks": "all", "linger.ms": 20})
        for key, value in records:
            producer.produce(topic, key=key, value=value, on_delivery=delivered)
        unsent = producer.flush(30)
        assert not unsent
        assert not failed
        return stored

    def join(self, topic: str, group: str) -> ConfluentMember:
        return ConfluentMember(self.common, topic, group)

    def close(self) -> None:
        pass


class ConfluentMember:
    def __init__(self, common: dict[str, object], topic: str, group: str) -> None:
        self._consumer = Consumer(
            {
                **common,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": HEARTBEAT_MS,
            }
        )
        self._consumer.subscribe([topic])

    def assignment(self) -> set[int]:
        return {p.partition for p in self._consumer.assignment()}

    def poll(self) -> list[Got]:
        got = []
        for message in self._consumer.consume(500, timeout=0.05):
            if error := message.error():
                if not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
                    raise KafkaException(error)
                continue
            got.append(Got(Position(message.partition(), message.offset()), message.value().decode()))
        return got

    def commit(self) -> None:
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._NO_OFFSET:  # it received nothing since it last committed
                raise

    def leave(self) -> None:
        self._consumer.close()
