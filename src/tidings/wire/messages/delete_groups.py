"""DeleteGroups (API key 42)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, Array, Message, Struct, field


class DeletableGroupResult(Struct):
    group_id: str = field(STRING)
    error_code: int = field(INT16)


class DeleteGroupsResponse(Message, versions=(0, 2), flexible_since=2):
    throttle_time_ms: int = field(INT32)
    results: list[DeletableGroupResult] = field(Array(DeletableGroupResult))


class DeleteGroupsRequest(Message, api_key=42, versions=(0, 2), flexible_since=2, response=DeleteGroupsResponse):
    groups_names: list[str] = field(Array(STRING))
