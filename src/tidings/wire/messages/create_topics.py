"""CreateTopics (API key 19)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT8, INT16, INT32, STRING, UUID, Array, Message, Struct, field


class CreatableTopicConfigs(Struct):
    name: str = field(STRING, since=5)
    value: str | None = field(STRING, since=5, nullable_since=5)
    read_only: bool = field(BOOLEAN, since=5)
    config_source: int = field(INT8, since=5, default=-1)
    is_sensitive: bool = field(BOOLEAN, since=5)


class CreatableTopicResult(Struct):
    name: str = field(STRING)
    topic_id: bytes = field(UUID, since=7)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    topic_config_error_code: int = field(INT16, since=5, tag=0)
    num_partitions: int = field(INT32, since=5, default=-1)
    replication_factor: int = field(INT16, since=5, default=-1)
    configs: list[CreatableTopicConfigs] | None = field(Array(CreatableTopicConfigs), since=5, nullable_since=5)


class CreateTopicsResponse(Message, versions=(2, 7), flexible_since=5):
    throttle_time_ms: int = field(INT32)
    topics: list[CreatableTopicResult] = field(Array(CreatableTopicResult))


class CreatableReplicaAssignment(Struct):
    partition_index: int = field(INT32)
    broker_ids: list[int] = field(Array(INT32))


class CreatableTopicConfig(Struct):
    name: str = field(STRING)
    value: str | None = field(STRING, nullable_since=0)


class CreatableTopic(Struct):
    name: str = field(STRING)
    num_partitions: int = field(INT32)
    replication_factor: int = field(INT16)
    assignments: list[CreatableReplicaAssignment] = field(Array(CreatableReplicaAssignment))
    configs: list[CreatableTopicConfig] = field(Array(CreatableTopicConfig))


class CreateTopicsRequest(Message, api_key=19, versions=(2, 7), flexible_since=5, response=CreateTopicsResponse):
    topics: list[CreatableTopic] = field(Array(CreatableTopic))
    timeout_ms: int = field(INT32, default=60000)
    validate_only: bool = field(BOOLEAN)
