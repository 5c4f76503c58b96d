"""DeleteTopics (API key 20)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, UUID, Array, Message, Struct, field


class DeletableTopicResult(Struct):
    name: str | None = field(STRING, nullable_since=6)
    topic_id: bytes = field(UUID, since=6)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, since=5, nullable_since=5, default=None)


class DeleteTopicsResponse(Message, versions=(1, 6), flexible_since=4):
    throttle_time_ms: int = field(INT32)
    responses: list[DeletableTopicResult] = field(Array(DeletableTopicResult))


class DeleteTopicState(Struct):
    name: str | None = field(STRING, since=6, nullable_since=6, default=None)
    topic_id: bytes = field(UUID, since=6)


class DeleteTopicsRequest(Message, api_key=20, versions=(1, 6), flexible_since=4, response=DeleteTopicsResponse):
    topics: list[DeleteTopicState] = field(Array(DeleteTopicState), since=6)
    topic_names: list[str] = field(Array(STRING), until=5)
    timeout_ms: int = field(INT32)
