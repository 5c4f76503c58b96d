"""Marks of a group in Kafka: committed offsets, and what stands in their metadata."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tidings.errors import TidingsError
from tidings.service.transports.base import Mark, Place
from tidings.service.transports.kafka_errors import translate

ANSWER_S = 2.0
"""How long one question waits for its answer. What is asked in vain is asked again."""

_MAGIC = b"CGMDv2:"
"""What librdkafka writes a membership with: this, the generation (4 bytes, as the machine has them), and names."""


def topic_partitions(marks: Mapping[Place, Mark]) -> list[TopicPartition]:
    return [TopicPartition(stream, partition, mark.offset, mark.beyond) for (stream, partition), mark in marks.items()]


def committed_marks(
    consumer: Consumer, places: Collection[Place], is_over: Callable[[], bool]
) -> dict[Place, Mark | None] | None:
    """What the group has committed; None when `is_over` before it can be known, or the group has put us out meanwhile:
    then it takes back what it has just given.

    Blocks until no transaction is undecided that has marks for these partitions (KIP-447: the consumer reads committed
    records only, and so does this), and for as long as the broker is away. To be called on the consumer's thread.
    """
    asked = [TopicPartition(stream, partition) for stream, partition in places]
    while not is_over():
        try:
            found = consumer.committed(asked, ANSWER_S)
        except KafkaException as error:
            problems = [error.args[0]]
        else:
            problems = [place.error for place in found if place.error is not None]
            if not problems:
                return {(place.topic, place.partition): _mark(place) for place in found}
        if any(problem.code() in PUT_OUT for problem in problems):
            return None
        for problem in problems:
            if not _passes(problem):
                raise translate(problem)
    return None


def _passes(error: KafkaError) -> bool:
    return error.retriable() or error.code() in _PASSING


_PASSING = {
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.REBALANCE_IN_PROGRESS,
}
PUT_OUT = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_MEMBER_EPOCH, KafkaError.ILLEGAL_GENERATION}
"""The group does not know this member any more."""


def _mark(place: TopicPartition) -> Mark | None:
    return Mark(place.offset, place.metadata or "") if place.offset >= 0 else None


class Membership(NamedTuple):
    """The member of a group that a consumer is at one moment."""

    generation: int
    metadata: bytes
    """What a producer shows it with."""


def membership_of(consumer: Consumer) -> Membership | None:
    """None when it is no member now: a transaction that showed such a one would not be fenced.

    To be called on the consumer's thread.
    """
    try:
        metadata = consumer.consumer_group_metadata()
    except RuntimeError:  # closed
        return None
    if not metadata:
        return None
    generation = _generation(metadata)
    return Membership(generation, metadata) if generation > 0 else None


def _generation(written: bytes) -> int:
    if not written.startswith(_MAGIC):
        raise TidingsError("this librdkafka writes a group's membership in a way that is not known here")
    generation: int = struct.unpack_from("=i", written, len(_MAGIC))[0]
    return generation
