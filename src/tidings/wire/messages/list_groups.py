"""ListGroups (API key 16)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, Array, Message, Struct, field


class ListedGroup(Struct):
    group_id: str = field(STRING)
    protocol_type: str = field(STRING)
    group_state: str = field(STRING, since=4)
    group_type: str = field(STRING, since=5)


class ListGroupsResponse(Message, versions=(0, 5), flexible_since=3):
    throttle_time_ms: int = field(INT32, since=1)
    error_code: int = field(INT16)
    groups: list[ListedGroup] = field(Array(ListedGroup))


class ListGroupsRequest(Message, api_key=16, versions=(0, 5), flexible_since=3, response=ListGroupsResponse):
    states_filter: list[str] = field(Array(STRING), since=4)
    types_filter: list[str] = field(Array(STRING), since=5)
