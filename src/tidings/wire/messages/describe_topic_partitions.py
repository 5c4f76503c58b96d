"""DescribeTopicPartitions (API key 75)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, STRING, UUID, Array, Message, Struct, field


class DescribeTopicPartitionsResponsePartition(Struct):
    error_code: int = field(INT16)
    partition_index: int = field(INT32)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32, default=-1)
    replica_nodes: list[int] = field(Array(INT32))
    isr_nodes: list[int] = field(Array(INT32))
    eligible_leader_replicas: list[int] | None = field(Array(INT32), nullable_since=0, default=None)
    last_known_elr: list[int] | None = field(Array(INT32), nullable_since=0, default=None)
    offline_replicas: list[int] = field(Array(INT32))


class DescribeTopicPartitionsResponseTopic(Struct):
    error_code: int = field(INT16)
    name: str | None = field(STRING, nullable_since=0)
    topic_id: bytes = field(UUID)
    is_internal: bool = field(BOOLEAN)
    partitions: list[DescribeTopicPartitionsResponsePartition] = field(Array(DescribeTopicPartitionsResponsePartition))
    topic_authorized_operations: int = field(INT32, default=-0x80000000)


class Cursor(Struct):
    topic_name: str = field(STRING)
    partition_index: int = field(INT32)


class DescribeTopicPartitionsResponse(Message, versions=(0, 0), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    topics: list[DescribeTopicPartitionsResponseTopic] = field(Array(DescribeTopicPartitionsResponseTopic))
    next_cursor: Cursor | None = field(Cursor, nullable_since=0, default=None)


class TopicRequest(Struct):
    name: str = field(STRING)


class DescribeTopicPartitionsRequest(
    Message, api_key=75, versions=(0, 0), flexible_since=0, response=DescribeTopicPartitionsResponse
):
    topics: list[TopicRequest] = field(Array(TopicRequest))
    response_partition_limit: int = field(INT32, default=2000)
    cursor: Cursor | None = field(Cursor, nullable_since=0, default=None)
