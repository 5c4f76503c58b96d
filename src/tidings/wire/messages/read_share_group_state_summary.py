"""ReadShareGroupStateSummary (API key 87)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class PartitionResult(Struct):
    partition: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)
    state_epoch: int = field(INT32)
    leader_epoch: int = field(INT32)
    start_offset: int = field(INT64)
    delivery_complete_count: int = field(INT32, since=1, default=-1)


class ReadStateSummaryResult(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionResult] = field(Array(PartitionResult))


class ReadShareGroupStateSummaryResponse(Message, versions=(0, 1), flexible_since=0):
    results: list[ReadStateSummaryResult] = field(Array(ReadStateSummaryResult))


class PartitionData(Struct):
    partition: int = field(INT32)
    leader_epoch: int = field(INT32)


class ReadStateSummaryData(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionData] = field(Array(PartitionData))


class ReadShareGroupStateSummaryRequest(
    Message, api_key=87, versions=(0, 1), flexible_since=0, response=ReadShareGroupStateSummaryResponse
):
    group_id: str = field(STRING)
    topics: list[ReadStateSummaryData] = field(Array(ReadStateSummaryData))
