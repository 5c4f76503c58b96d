"""DescribeGroups (API key 15)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, BYTES, INT16, INT32, STRING, Array, Message, Struct, field
from tidings.wire.primitives import Buffer


class DescribedGroupMember(Struct):
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=4, nullable_since=4, default=None)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    member_metadata: Buffer = field(BYTES)
    member_assignment: Buffer = field(BYTES)


class DescribedGroup(Struct):
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, since=6, nullable_since=6, default=None)
    group_id: str = field(STRING)
    group_state: str = field(STRING)
    protocol_type: str = field(STRING)
    protocol_data: str = field(STRING)
    members: list[DescribedGroupMember] = field(Array(DescribedGroupMember))
    authorized_operations: int = field(INT32, since=3, default=-0x80000000)


class DescribeGroupsResponse(Message, versions=(0, 6), flexible_since=5):
    throttle_time_ms: int = field(INT32, since=1)
    groups: list[DescribedGroup] = field(Array(DescribedGroup))


class DescribeGroupsRequest(Message, api_key=15, versions=(0, 6), flexible_since=5, response=DescribeGroupsResponse):
    groups: list[str] = field(Array(STRING))
    include_authorized_operations: bool = field(BOOLEAN, since=3)
