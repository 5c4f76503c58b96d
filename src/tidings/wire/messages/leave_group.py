"""LeaveGroup (API key 13)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, Array, Message, Struct, field


class MemberResponse(Struct):
    member_id: str = field(STRING, since=3)
    group_instance_id: str | None = field(STRING, since=3, nullable_since=3)
    error_code: int = field(INT16, since=3)


class LeaveGroupResponse(Message, versions=(0, 5), flexible_since=4):
    throttle_time_ms: int = field(INT32, since=1)
    error_code: int = field(INT16)
    members: list[MemberResponse] = field(Array(MemberResponse), since=3)


class MemberIdentity(Struct):
    member_id: str = field(STRING, since=3)
    group_instance_id: str | None = field(STRING, since=3, nullable_since=3, default=None)
    reason: str | None = field(STRING, since=5, nullable_since=5, default=None)


class LeaveGroupRequest(Message, api_key=13, versions=(0, 5), flexible_since=4, response=LeaveGroupResponse):
    group_id: str = field(STRING)
    member_id: str = field(STRING, until=2)
    members: list[MemberIdentity] = field(Array(MemberIdentity), since=3)
