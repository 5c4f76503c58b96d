"""A producer that goes on whatever happens to the broker, and remembers what it was promised."""

from __future__ import annotations

import threading
from time import monotonic
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.faults.checker import Id, Stored

KEYS = 16
IN_FLIGHT_MAX = 100
PADDING = "." * 80

CALM = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
"""Reconnect soon: the broker is away for a moment only."""


def create_topic(bootstrap: str, topic: str, partitions: int, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **CALM})
    admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result(30)


class Load:
    """Runs in a thread, from `with` to the end of it. Idempotent, acks=all; IN_FLIGHT_MAX records wait at most."""

    def __init__(self, bootstrap: str, topic: str, compression: str = "none") -> None:
        self.topic = topic
        self.acknowledged: list[Stored] = []
        self.refused: list[KafkaError] = []
        self._sent = 0
        self._changed = threading.Condition()
        self._ending = False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                **CALM,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "retry.backoff.ms": 20,
                "retry.backoff.max.ms": 100,
                "compression.type": compression,
                "delivery.timeout.ms": 120_000,
                "error_cb": self._on_error,
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _on_error(self, error: KafkaError) -> None:
        """Called from `poll`. A broker that is away is no news; a producer that gives up is."""
        if error.fatal():
            self.refused.append(error)

    def _run(self) -> None:
        try:
            self._produce()
        except KafkaException as error:  # the producer has given up for good
            with self._changed:
                self.refused.append(error.args[0])
                self._changed.notify_all()

    def _produce(self) -> None:
        while not self._ending:
            if self._sent - len(self.acknowledged) - len(self.refused) < IN_FLIGHT_MAX:
                id_ = self._id(self._sent)
                value = f"{id_.sequence} {PADDING}"
                self._sent += 1
                self._producer.produce(self.topic, key=id_.key, value=value, on_delivery=self._delivered)
                self._producer.poll(0)
            else:
                self._producer.poll(0.05)

    @staticmethod
    def _id(number: int) -> Id:
        return Id(f"key-{number % KEYS}", number // KEYS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        with self._changed:
            if error is not None:
                self.refused.append(error)
            else:
                sequence = int(message.value().split()[0])
                at = Stored(message.partition(), message.offset(), message.key().decode(), sequence)
                self.acknowledged.append(at)
            self._changed.notify_all()

    @property
    def sent(self) -> list[Id]:
        return [self._id(number) for number in range(self._sent)]

    def wait_for_more(self, count: int, timeout_s: float = 30) -> None:
        """Returns when `count` more records are acknowledged than are now."""
        with self._changed:
            goal = len(self.acknowledged) + count
            enough = self._changed.wait_for(lambda: len(self.acknowledged) >= goal or bool(self.refused), timeout_s)
            assert enough, f"{len(self.acknowledged)} acknowledged, and not {goal} within {timeout_s:g} s"
        assert not self.refused, self.refused[0]

    def finish(self, timeout_s: float = 60) -> None:
        """Send no more, and wait until all that was sent is answered."""
        self._ending = True
        self._thread.join(timeout_s)
        unanswered = self._producer.flush(timeout_s)
        assert not unanswered
        assert not self.refused, self.refused[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._thread.join(10)
        self._producer.purge()
        self._producer.flush(5)


def read_all(bootstrap: str, topic: str, timeout_s: float = 60) -> list[Stored]:
    """Every record of the topic up to the ends its partitions have now, in order within each partition."""
    deadline = monotonic() + timeout_s
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            **CALM,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 20,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions)
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout_s)[1] for p in partitions}
        missing = {p: end for p, end in ends.items() if end > 0}
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in missing])
        found: list[Stored] = []
        while missing:
            assert monotonic() < deadline, f"partitions {missing} of {topic} not read to their ends in {timeout_s:g} s"
            for message in consumer.consume(10_000, timeout=0.05):
                if error := message.error():
                    raise KafkaException(error)
                partition, offset = message.partition(), message.offset()
                if offset < ends[partition]:
                    found.append(Stored(partition, offset, message.key().decode(), int(message.value().split()[0])))
                if offset >= ends[partition] - 1:
                    missing.pop(partition, None)
        return found
    finally:
        consumer.close()
