"""ApiVersions (API key 18)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, INT64, STRING, Array, Message, Struct, field


class ApiVersion(Struct):
    api_key: int = field(INT16)
    min_version: int = field(INT16)
    max_version: int = field(INT16)


class SupportedFeatureKey(Struct):
    name: str = field(STRING, since=3)
    min_version: int = field(INT16, since=3)
    max_version: int = field(INT16, since=3)


class FinalizedFeatureKey(Struct):
    name: str = field(STRING, since=3)
    max_version_level: int = field(INT16, since=3)
    min_version_level: int = field(INT16, since=3)


class ApiVersionsResponse(Message, versions=(0, 4), flexible_since=3):
    error_code: int = field(INT16)
    api_keys: list[ApiVersion] = field(Array(ApiVersion))
    throttle_time_ms: int = field(INT32, since=1)
    supported_features: list[SupportedFeatureKey] = field(Array(SupportedFeatureKey), since=3, tag=0)
    finalized_features_epoch: int = field(INT64, since=3, tag=1, default=-1)
    finalized_features: list[FinalizedFeatureKey] = field(Array(FinalizedFeatureKey), since=3, tag=2)
    zk_migration_ready: bool = field(BOOLEAN, since=3, tag=3)


class ApiVersionsRequest(Message, api_key=18, versions=(0, 4), flexible_since=3, response=ApiVersionsResponse):
    client_software_name: str = field(STRING, since=3)
    client_software_version: str = field(STRING, since=3)
