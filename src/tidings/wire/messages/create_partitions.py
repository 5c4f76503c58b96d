"""CreatePartitions (API key 37)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, STRING, Array, Message, Struct, field


class CreatePartitionsTopicResult(Struct):
    name: str = field(STRING)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)


class CreatePartitionsResponse(Message, versions=(0, 3), flexible_since=2):
    throttle_time_ms: int = field(INT32)
    results: list[CreatePartitionsTopicResult] = field(Array(CreatePartitionsTopicResult))


class CreatePartitionsAssignment(Struct):
    broker_ids: list[int] = field(Array(INT32))


class CreatePartitionsTopic(Struct):
    name: str = field(STRING)
    count: int = field(INT32)
    assignments: list[CreatePartitionsAssignment] | None = field(Array(CreatePartitionsAssignment), nullable_since=0)


class CreatePartitionsRequest(
    Message, api_key=37, versions=(0, 3), flexible_since=2, response=CreatePartitionsResponse
):
    topics: list[CreatePartitionsTopic] = field(Array(CreatePartitionsTopic))
    timeout_ms: int = field(INT32)
    validate_only: bool = field(BOOLEAN)
