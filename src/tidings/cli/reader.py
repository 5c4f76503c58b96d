"""Reads records from chosen offsets, outside of any group: looking at a stream moves nobody's position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tidings.cli.cluster import Cluster, Offsets, Partition
from tidings.errors import UnavailableError
from tidings.events.position import Position
from tidings.service.trace import Sighting, sighting
from tidings.service.transports.base import Received

_BATCH = 1000
_WAIT_S = 0.25
_SILENCE_S_MAX = 30


class Seen(NamedTuple):
    """A record with its payload."""

    event: Sighting
    data: bytes | None


class Reader:
    """Use it as a context manager; each reads once."""

    def __init__(self, cluster: Cluster) -> None:
        self._url = cluster.url
        self._consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": "tidings-look",  # required, and never used: nothing is subscribed, nothing committed
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def read(self, starts: Offsets, ends: Offsets) -> Iterator[Seen]:
        """Every record from `starts` up to `ends`. Raises UnavailableError when the broker falls silent on the way."""
        return map(seen, self._read(starts, ends))

    def read_whole(self, starts: Offsets, ends: Offsets) -> Iterator[Received]:
        """The same, with all that is in the records."""
        return map(received, self._read(starts, ends))

    def _read(self, starts: Offsets, ends: Offsets) -> Iterator[Message]:
        open_partitions = {at for at, start in starts.items() if start < ends.get(at, 0)}
        self._assign(starts, open_partitions)
        silent_s = 0.0
        while open_partitions:
            messages = self._consumer.consume(_BATCH, _WAIT_S)
            silent_s = 0.0 if messages else silent_s + _WAIT_S
            if silent_s > _SILENCE_S_MAX:
                raise UnavailableError(f"{self._url} has not answered for {_SILENCE_S_MAX} s")
            for message in messages:
                at = message.topic(), message.partition()
                if message.error():
                    if _is_end(message):
                        open_partitions.discard(at)
                    continue
                if message.offset() + 1 >= ends[at]:
                    open_partitions.discard(at)
                if message.offset() < ends[at]:
                    yield message

    def follow(self, starts: Offsets) -> Iterator[Seen | None]:
        """Every record from `starts` on, without end. None when there has been nothing for a moment."""
        return (None if message is None else seen(message) for message in self._follow(starts))

    def follow_whole(self, starts: Offsets) -> Iterator[Received | None]:
        """The same, with all that is in the records."""
        return (None if message is None else received(message) for message in self._follow(starts))

    def _follow(self, starts: Offsets) -> Iterator[Message | None]:
        self._assign(starts, starts)
        while True:
            messages = self._consumer.consume(_BATCH, _WAIT_S)
            if not messages:
                yield None
            for message in messages:
                if message.error():
                    _is_end(message)
                else:
                    yield message

    def _assign(self, starts: Offsets, partitions: Iterable[Partition]) -> None:
        self._consumer.assign([TopicPartition(*at, starts[at]) for at in partitions])


def seen(message: Message) -> Seen:
    position = Position(message.topic(), message.partition(), message.offset())
    return Seen(sighting(position, message.timestamp()[1], message.key(), message.headers()), message.value())


def received(message: Message) -> Received:
    """A record as services see it."""
    return Received(
        message.topic(), message.partition(), message.offset(), message.timestamp()[1],
        message.key(), message.value(), message.headers(),
    )  # fmt: skip


def _is_end(message: Message) -> bool:
    """Whether this message without a record says that a partition's end is reached; else it is a passing trouble.

    Raises UnavailableError for a trouble that will not pass.
    """
    error = message.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.fatal() or not error.retriable():
        raise UnavailableError(f"reading {message.topic()} failed: {error.str()}")
    return False
