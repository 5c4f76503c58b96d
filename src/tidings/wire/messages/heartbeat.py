"""Heartbeat (API key 12)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, Message, field


class HeartbeatResponse(Message, versions=(0, 4), flexible_since=4):
    throttle_time_ms: int = field(INT32, since=1)
    error_code: int = field(INT16)


class HeartbeatRequest(Message, api_key=12, versions=(0, 4), flexible_since=4, response=HeartbeatResponse):
    group_id: str = field(STRING)
    generation_id: int = field(INT32)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=3, nullable_since=3, default=None)
