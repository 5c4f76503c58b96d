"""What Kafka's errors mean to us, and what is said of an outage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from tidings.errors import TidingsError, UnavailableError
from tidings.service.transports.base import RefusedError

log = logging.getLogger("tidings.service")

T = TypeVar("T")


class Outage:
    """Says once that the broker is away, and once that it is back."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self.away = False

    def error(self, error: KafkaError) -> None:
        """librdkafka's `error_cb`. It mends most errors itself; only this one is worth a word."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self.away:
            self.away = True
            log.warning("no broker can be reached at %s; trying on", self._servers)

    def over(self) -> None:
        if self.away:
            self.away = False
            log.warning("the broker at %s is back", self._servers)


def translate(error: KafkaError) -> TidingsError:
    """A KafkaError as one of ours: whether it may pass with time, or will not."""
    text = f"{error.str()} ({error.name()})"
    lasting = not error.retriable() and error.code() in _LASTING
    return RefusedError(text) if lasting else UnavailableError(text)


_LASTING = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.POLICY_VIOLATION,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
}


def translated(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except KafkaException as error:
        raise translate(error.args[0]) from error
