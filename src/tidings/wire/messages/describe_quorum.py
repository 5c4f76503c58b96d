"""DescribeQuorum (API key 55)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, INT64, STRING, UINT16, UUID, Array, Message, Struct, field


class ReplicaState(Struct):
    replica_id: int = field(INT32)
    replica_directory_id: bytes = field(UUID, since=2)
    log_end_offset: int = field(INT64)
    last_fetch_timestamp: int = field(INT64, since=1, default=-1)
    last_caught_up_timestamp: int = field(INT64, since=1, default=-1)


class PartitionData(Struct):
    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, since=2, nullable_since=2)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32)
    high_watermark: int = field(INT64)
    current_voters: list[ReplicaState] = field(Array(ReplicaState))
    observers: list[ReplicaState] = field(Array(ReplicaState))


class TopicData(Struct):
    topic_name: str = field(STRING)
    partitions: list[PartitionData] = field(Array(PartitionData))


class Listener(Struct):
    name: str = field(STRING, since=2)
    host: str = field(STRING, since=2)
    port: int = field(UINT16, since=2)


class Node(Struct):
    node_id: int = field(INT32, since=2)
    listeners: list[Listener] = field(Array(Listener), since=2)


class DescribeQuorumResponse(Message, versions=(0, 2), flexible_since=0):
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, since=2, nullable_since=2)
    topics: list[TopicData] = field(Array(TopicData))
    nodes: list[Node] = field(Array(Node), since=2)


class PartitionRequest(Struct):
    partition_index: int = field(INT32)


class TopicRequest(Struct):
    topic_name: str = field(STRING)
    partitions: list[PartitionRequest] = field(Array(PartitionRequest))


class DescribeQuorumRequest(Message, api_key=55, versions=(0, 2), flexible_since=0, response=DescribeQuorumResponse):
    topics: list[TopicRequest] = field(Array(TopicRequest))
