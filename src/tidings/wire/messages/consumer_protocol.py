"""What consumers tell each other through a classic group: subscriptions and assignments."""

from __future__ import annotations

from tidings.wire.message import BYTES, INT32, STRING, Array, Message, Struct, field
from tidings.wire.primitives import Buffer


class TopicPartition(Struct):
    topic: str = field(STRING)
    partitions: list[int] = field(Array(INT32))


class ConsumerProtocolSubscription(Message, versions=(0, 3)):
    topics: list[str] = field(Array(STRING))
    user_data: Buffer | None = field(BYTES, nullable_since=0, default=None)
    owned_partitions: list[TopicPartition] = field(Array(TopicPartition), since=1)
    generation_id: int = field(INT32, since=2, default=-1)
    rack_id: str | None = field(STRING, since=3, nullable_since=3, default=None)


class ConsumerProtocolAssignment(Message, versions=(0, 3)):
    assigned_partitions: list[TopicPartition] = field(Array(TopicPartition))
    user_data: Buffer | None = field(BYTES, nullable_since=0, default=None)
