"""One record through confluent-kafka: what a user's first `emit` waits for, client library and all."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, Message, Producer

AGAIN_MS = 10
"""How soon it knocks again, asks again, sends again. Its defaults (100 ms and more) would measure its own back-off."""


def write_first_record(address: tuple[str, int], topic: str, timeout_s: float) -> None:
    """Return when a record is acknowledged, `topic` made by asking for it.

    Raises TimeoutError, and KafkaException if it is refused.
    """
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error)

    producer = Producer(
        {
            "bootstrap.servers": f"{address[0]}:{address[1]}",
            "acks": "all",
            "linger.ms": 0,
            "reconnect.backoff.ms": AGAIN_MS,
            "reconnect.backoff.max.ms": AGAIN_MS,
            "retry.backoff.ms": AGAIN_MS,
            "retry.backoff.max.ms": AGAIN_MS,
            "topic.metadata.refresh.fast.interval.ms": AGAIN_MS,
            "log_level": 0,
        }
    )
    producer.produce(topic, b"x" * 100, b"key", on_delivery=delivered)
    if producer.flush(timeout_s):
        raise TimeoutError(f"no record was acknowledged at {address[0]}:{address[1]} within {timeout_s:g} s")
    if refused:
        raise KafkaException(refused[0])
