"""DeleteShareGroupState (API key 86)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, UUID, Array, Message, Struct, field


class PartitionResult(Struct):
    partition: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)


class DeleteStateResult(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionResult] = field(Array(PartitionResult))


class DeleteShareGroupStateResponse(Message, versions=(0, 0), flexible_since=0):
    results: list[DeleteStateResult] = field(Array(DeleteStateResult))


class PartitionData(Struct):
    partition: int = field(INT32)


class DeleteStateData(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[PartitionData] = field(Array(PartitionData))


class DeleteShareGroupStateRequest(
    Message, api_key=86, versions=(0, 0), flexible_since=0, response=DeleteShareGroupStateResponse
):
    group_id: str = field(STRING)
    topics: list[DeleteStateData] = field(Array(DeleteStateData))
