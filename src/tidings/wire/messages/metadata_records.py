"""What the catalog writes to `__cluster_metadata`: topics, settings, quotas, access rules, in Kafka's own format."""

from __future__ import annotations

from tidings.wire.message import (
    BOOLEAN,
    BYTES,
    FLOAT64,
    INT8,
    INT32,
    INT64,
    STRING,
    UUID,
    Array,
    Message,
    Struct,
    field,
)


class TopicRecord(Message, versions=(0, 0), flexible_since=0, api_key=2):
    name: str = field(STRING)
    topic_id: bytes = field(UUID)


class PartitionRecord(Message, versions=(0, 2), flexible_since=0, api_key=3):
    partition_id: int = field(INT32, default=-1)
    topic_id: bytes = field(UUID)
    replicas: list[int] = field(Array(INT32))
    isr: list[int] = field(Array(INT32))
    removing_replicas: list[int] = field(Array(INT32))
    adding_replicas: list[int] = field(Array(INT32))
    leader: int = field(INT32, default=-1)
    leader_recovery_state: int = field(INT8, tag=0)
    leader_epoch: int = field(INT32, default=-1)
    partition_epoch: int = field(INT32, default=-1)
    directories: list[bytes] = field(Array(UUID), since=1)
    eligible_leader_replicas: list[int] | None = field(Array(INT32), since=2, nullable_since=2, tag=1, default=None)
    last_known_elr: list[int] | None = field(Array(INT32), since=2, nullable_since=2, tag=2, default=None)


class RemoveTopicRecord(Message, versions=(0, 0), flexible_since=0, api_key=9):
    topic_id: bytes = field(UUID)


class ConfigRecord(Message, versions=(0, 0), flexible_since=0, api_key=4):
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    name: str = field(STRING)
    value: str | None = field(STRING, nullable_since=0)


class ProducerIdsRecord(Message, versions=(0, 0), flexible_since=0, api_key=15):
    broker_id: int = field(INT32)
    broker_epoch: int = field(INT64, default=-1)
    next_producer_id: int = field(INT64)


class EntityData(Struct):
    entity_type: str = field(STRING)
    entity_name: str | None = field(STRING, nullable_since=0)


class ClientQuotaRecord(Message, versions=(0, 0), flexible_since=0, api_key=14):
    entity: list[EntityData] = field(Array(EntityData))
    key: str = field(STRING)
    value: float = field(FLOAT64)
    remove: bool = field(BOOLEAN)


class AccessControlEntryRecord(Message, versions=(0, 0), flexible_since=0, api_key=18):
    id: bytes = field(UUID)
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    pattern_type: int = field(INT8)
    principal: str = field(STRING)
    host: str = field(STRING)
    operation: int = field(INT8)
    permission_type: int = field(INT8)


class RemoveAccessControlEntryRecord(Message, versions=(0, 0), flexible_since=0, api_key=19):
    id: bytes = field(UUID)


class UserScramCredentialRecord(Message, versions=(0, 0), flexible_since=0, api_key=11):
    name: str = field(STRING)
    mechanism: int = field(INT8)
    salt: bytes = field(BYTES)
    stored_key: bytes = field(BYTES)
    server_key: bytes = field(BYTES)
    iterations: int = field(INT32)


class RemoveUserScramCredentialRecord(Message, versions=(0, 0), flexible_since=0, api_key=22):
    name: str = field(STRING)
    mechanism: int = field(INT8)
