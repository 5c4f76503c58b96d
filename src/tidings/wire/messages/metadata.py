"""Metadata (API key 3)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, STRING, UUID, Array, Message, Struct, field


class MetadataResponseBroker(Struct):
    node_id: int = field(INT32)
    host: str = field(STRING)
    port: int = field(INT32)
    rack: str | None = field(STRING, since=1, nullable_since=1, default=None)


class MetadataResponsePartition(Struct):
    error_code: int = field(INT16)
    partition_index: int = field(INT32)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32, since=7, default=-1)
    replica_nodes: list[int] = field(Array(INT32))
    isr_nodes: list[int] = field(Array(INT32))
    offline_replicas: list[int] = field(Array(INT32), since=5)


class MetadataResponseTopic(Struct):
    error_code: int = field(INT16)
    name: str | None = field(STRING, nullable_since=12)
    topic_id: bytes = field(UUID, since=10)
    is_internal: bool = field(BOOLEAN, since=1)
    partitions: list[MetadataResponsePartition] = field(Array(MetadataResponsePartition))
    topic_authorized_operations: int = field(INT32, since=8, default=-0x80000000)


class MetadataResponse(Message, versions=(0, 13), flexible_since=9):
    throttle_time_ms: int = field(INT32, since=3)
    brokers: list[MetadataResponseBroker] = field(Array(MetadataResponseBroker))
    cluster_id: str | None = field(STRING, since=2, nullable_since=2, default=None)
    controller_id: int = field(INT32, since=1, default=-1)
    topics: list[MetadataResponseTopic] = field(Array(MetadataResponseTopic))
    cluster_authorized_operations: int = field(INT32, since=8, until=10, default=-0x80000000)
    error_code: int = field(INT16, since=13)


class MetadataRequestTopic(Struct):
    topic_id: bytes = field(UUID, since=10)
    name: str | None = field(STRING, nullable_since=10)


class MetadataRequest(Message, api_key=3, versions=(0, 13), flexible_since=9, response=MetadataResponse):
    topics: list[MetadataRequestTopic] | None = field(Array(MetadataRequestTopic), nullable_since=1)
    allow_auto_topic_creation: bool = field(BOOLEAN, since=4, default=True)
    include_cluster_authorized_operations: bool = field(BOOLEAN, since=8, until=10)
    include_topic_authorized_operations: bool = field(BOOLEAN, since=8)
