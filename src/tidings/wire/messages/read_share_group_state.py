"""ReadShareGroupState (API key 84)."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class StateBatch(Struct):
    first_offset: int = field(INT64)
    last_offset: int = field(INT64)
    delivery_state: int = field(INT8)
    delivery_count: int = field(INT16)


class PartitionResult(Struct):
    partition: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)
    state_epoch: int = field(INT32)
    start_offset: int = field(INT64)
    state_batches: list[StateBatch] = field(Array(StateBatch))


class ReadStateResult(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionResult] = field(Array(PartitionResult))


class ReadShareGroupStateResponse(Message, versions=(0, 0), flexible_since=0):
    results: list[ReadStateResult] = field(Array(ReadStateResult))


class PartitionData(Struct):
    partition: int = field(INT32)
    leader_epoch: int = field(INT32)


class ReadStateData(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionData] = field(Array(PartitionData))


class ReadShareGroupStateRequest(
    Message, api_key=84, versions=(0, 0), flexible_since=0, response=ReadShareGroupStateResponse
):
    group_id: str = field(STRING)
    topics: list[ReadStateData] = field(Array(ReadStateData))
