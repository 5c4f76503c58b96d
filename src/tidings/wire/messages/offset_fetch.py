"""OffsetFetch (API key 9)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class OffsetFetchResponsePartition(Struct):
    partition_index: int = field(INT32, until=7)
    committed_offset: int = field(INT64, until=7)
    committed_leader_epoch: int = field(INT32, since=5, until=7, default=-1)
    metadata: str | None = field(STRING, until=7, nullable_since=0)
    error_code: int = field(INT16, until=7)


class OffsetFetchResponseTopic(Struct):
    name: str = field(STRING, until=7)
    partitions: list[OffsetFetchResponsePartition] = field(Array(OffsetFetchResponsePartition), until=7)


class OffsetFetchResponsePartitions(Struct):
    partition_index: int = field(INT32, since=8)
    committed_offset: int = field(INT64, since=8)
    committed_leader_epoch: int = field(INT32, since=8, default=-1)
    metadata: str | None = field(STRING, since=8, nullable_since=8)
    error_code: int = field(INT16, since=8)


class OffsetFetchResponseTopics(Struct):
    name: str = field(STRING, since=8, until=9)
    topic_id: bytes = field(UUID, since=10)
    partitions: list[OffsetFetchResponsePartitions] = field(Array(OffsetFetchResponsePartitions), since=8)


class OffsetFetchResponseGroup(Struct):
    group_id: str = field(STRING, since=8)
    topics: list[OffsetFetchResponseTopics] = field(Array(OffsetFetchResponseTopics), since=8)
    error_code: int = field(INT16, since=8)


class OffsetFetchResponse(Message, versions=(1, 10), flexible_since=6):
    throttle_time_ms: int = field(INT32, since=3)
    topics: list[OffsetFetchResponseTopic] = field(Array(OffsetFetchResponseTopic), until=7)
    error_code: int = field(INT16, since=2, until=7)
    groups: list[OffsetFetchResponseGroup] = field(Array(OffsetFetchResponseGroup), since=8)


class OffsetFetchRequestTopic(Struct):
    name: str = field(STRING, until=7)
    partition_indexes: list[int] = field(Array(INT32), until=7)


class OffsetFetchRequestTopics(Struct):
    name: str = field(STRING, since=8, until=9)
    topic_id: bytes = field(UUID, since=10)
    partition_indexes: list[int] = field(Array(INT32), since=8)


class OffsetFetchRequestGroup(Struct):
    group_id: str = field(STRING, since=8)
    member_id: str | None = field(STRING, since=9, nullable_since=9, default=None)
    member_epoch: int = field(INT32, since=9, default=-1)
    topics: list[OffsetFetchRequestTopics] | None = field(Array(OffsetFetchRequestTopics), since=8, nullable_since=8)


class OffsetFetchRequest(Message, api_key=9, versions=(1, 10), flexible_since=6, response=OffsetFetchResponse):
    group_id: str = field(STRING, until=7)
    topics: list[OffsetFetchRequestTopic] | None = field(Array(OffsetFetchRequestTopic), until=7, nullable_since=2)
    groups: list[OffsetFetchRequestGroup] = field(Array(OffsetFetchRequestGroup), since=8)
    require_stable: bool = field(BOOLEAN, since=7)
