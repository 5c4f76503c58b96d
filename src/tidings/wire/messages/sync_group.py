"""SyncGroup (API key 14)."""

from __future__ import annotations

from tidings.wire.message import BYTES, INT16, INT32, STRING, Array, Message, Struct, field
from tidings.wire.primitives import Buffer


class SyncGroupResponse(Message, versions=(0, 5), flexible_since=4):
    throttle_time_ms: int = field(INT32, since=1)
    error_code: int = field(INT16)
    protocol_type: str | None = field(STRING, since=5, nullable_since=5, default=None)
    protocol_name: str | None = field(STRING, since=5, nullable_since=5, default=None)
    assignment: Buffer = field(BYTES)


class SyncGroupRequestAssignment(Struct):
    member_id: str = field(STRING)
    assignment: Buffer = field(BYTES)


class SyncGroupRequest(Message, api_key=14, versions=(0, 5), flexible_since=4, response=SyncGroupResponse):
    group_id: str = field(STRING)
    generation_id: int = field(INT32)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=3, nullable_since=3, default=None)
    protocol_type: str | None = field(STRING, since=5, nullable_since=5, default=None)
    protocol_name: str | None = field(STRING, since=5, nullable_since=5, default=None)
    assignments: list[SyncGroupRequestAssignment] = field(Array(SyncGroupRequestAssignment))
