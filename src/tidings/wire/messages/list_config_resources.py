"""ListConfigResources (API key 74)."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, STRING, Array, Message, Struct, field


class ConfigResource(Struct):
    resource_name: str = field(STRING)
    resource_type: int = field(INT8, since=1, default=16)


class ListConfigResourcesResponse(Message, versions=(0, 1), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    config_resources: list[ConfigResource] = field(Array(ConfigResource))


class ListConfigResourcesRequest(
    Message, api_key=74, versions=(0, 1), flexible_since=0, response=ListConfigResourcesResponse
):
    resource_types: list[int] = field(Array(INT8), since=1)
