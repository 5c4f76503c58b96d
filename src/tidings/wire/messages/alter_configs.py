"""AlterConfigs (API key 33)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT8, INT16, INT32, STRING, Array, Message, Struct, field


class AlterConfigsResourceResponse(Struct):
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)


class AlterConfigsResponse(Message, versions=(0, 2), flexible_since=2):
    throttle_time_ms: int = field(INT32)
    responses: list[AlterConfigsResourceResponse] = field(Array(AlterConfigsResourceResponse))


class AlterableConfig(Struct):
    name: str = field(STRING)
    value: str | None = field(STRING, nullable_since=0)


class AlterConfigsResource(Struct):
    resource_type: int = field(INT8)
    resource_name: str = field(STRING)
    configs: list[AlterableConfig] = field(Array(AlterableConfig))


class AlterConfigsRequest(Message, api_key=33, versions=(0, 2), flexible_since=2, response=AlterConfigsResponse):
    resources: list[AlterConfigsResource] = field(Array(AlterConfigsResource))
    validate_only: bool = field(BOOLEAN)
