"""JoinGroup (API key 11)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, BYTES, INT16, INT32, STRING, Array, Message, Struct, field
from tidings.wire.primitives import Buffer


class JoinGroupResponseMember(Struct):
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=5, nullable_since=5, default=None)
    metadata: Buffer = field(BYTES)


class JoinGroupResponse(Message, versions=(0, 9), flexible_since=6):
    throttle_time_ms: int = field(INT32, since=2)
    error_code: int = field(INT16)
    generation_id: int = field(INT32, default=-1)
    protocol_type: str | None = field(STRING, since=7, nullable_since=7, default=None)
    protocol_name: str | None = field(STRING, nullable_since=7)
    leader: str = field(STRING)
    skip_assignment: bool = field(BOOLEAN, since=9)
    member_id: str = field(STRING)
    members: list[JoinGroupResponseMember] = field(Array(JoinGroupResponseMember))


class JoinGroupRequestProtocol(Struct):
    name: str = field(STRING)
    metadata: Buffer = field(BYTES)


class JoinGroupRequest(Message, api_key=11, versions=(0, 9), flexible_since=6, response=JoinGroupResponse):
    group_id: str = field(STRING)
    session_timeout_ms: int = field(INT32)
    rebalance_timeout_ms: int = field(INT32, since=1, default=-1)
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=5, nullable_since=5, default=None)
    protocol_type: str = field(STRING)
    protocols: list[JoinGroupRequestProtocol] = field(Array(JoinGroupRequestProtocol))
    reason: str | None = field(STRING, since=8, nullable_since=8, default=None)
