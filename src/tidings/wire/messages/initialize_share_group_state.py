"""InitializeShareGroupState (API key 83)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class PartitionResult(Struct):
    partition: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)


class InitializeStateResult(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionResult] = field(Array(PartitionResult))


class InitializeShareGroupStateResponse(Message, versions=(0, 0), flexible_since=0):
    results: list[InitializeStateResult] = field(Array(InitializeStateResult))


class PartitionData(Struct):
    partition: int = field(INT32)
    state_epoch: int = field(INT32)
    start_offset: int = field(INT64)


class InitializeStateData(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionData] = field(Array(PartitionData))


class InitializeShareGroupStateRequest(
    Message, api_key=83, versions=(0, 0), flexible_since=0, response=InitializeShareGroupStateResponse
):
    group_id: str = field(STRING)
    topics: list[InitializeStateData] = field(Array(InitializeStateData))
