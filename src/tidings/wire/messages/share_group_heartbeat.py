"""ShareGroupHeartbeat (API key 76)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, UUID, Array, Message, Struct, field


class TopicPartitions(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[int] = field(Array(INT32))


class Assignment(Struct):
    topic_partitions: list[TopicPartitions] = field(Array(TopicPartitions))


class ShareGroupHeartbeatResponse(Message, versions=(1, 1), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)
    member_id: str | None = field(STRING, nullable_since=0, default=None)
    member_epoch: int = field(INT32)
    heartbeat_interval_ms: int = field(INT32)
    assignment: Assignment | None = field(Assignment, nullable_since=0, default=None)


class ShareGroupHeartbeatRequest(
    Message, api_key=76, versions=(1, 1), flexible_since=0, response=ShareGroupHeartbeatResponse
):
    group_id: str = field(STRING)
    member_id: str = field(STRING)
    member_epoch: int = field(INT32)
    rack_id: str | None = field(STRING, nullable_since=0, default=None)
    subscribed_topic_names: list[str] | None = field(Array(STRING), nullable_since=0, default=None)
