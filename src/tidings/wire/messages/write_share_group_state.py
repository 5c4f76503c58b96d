"""WriteShareGroupState (API key 85)."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class PartitionResult(Struct):
    partition: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)


class WriteStateResult(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionResult] = field(Array(PartitionResult))


class WriteShareGroupStateResponse(Message, versions=(0, 1), flexible_since=0):
    results: list[WriteStateResult] = field(Array(WriteStateResult))


class StateBatch(Struct):
    first_offset: int = field(INT64)
    last_offset: int = field(INT64)
    delivery_state: int = field(INT8)
    delivery_count: int = field(INT16)


class PartitionData(Struct):
    partition: int = field(INT32)
    state_epoch: int = field(INT32)
    leader_epoch: int = field(INT32)
    start_offset: int = field(INT64)
    delivery_complete_count: int = field(INT32, since=1, default=-1)
    state_batches: list[StateBatch] = field(Array(StateBatch))


class WriteStateData(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionData] = field(Array(PartitionData))


class WriteShareGroupStateRequest(
    Message, api_key=85, versions=(0, 1), flexible_since=0, response=WriteShareGroupStateResponse
):
    group_id: str = field(STRING)
    topics: list[WriteStateData] = field(Array(WriteStateData))
