"""UpdateFeatures (API key 57)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT8, INT16, INT32, STRING, Array, Message, Struct, field


class UpdatableFeatureResult(Struct):
    feature: str = field(STRING)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)


class UpdateFeaturesResponse(Message, versions=(0, 2), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    results: list[UpdatableFeatureResult] = field(Array(UpdatableFeatureResult), until=1)


class FeatureUpdateKey(Struct):
    feature: str = field(STRING)
    max_version_level: int = field(INT16)
    allow_downgrade: bool = field(BOOLEAN, until=0)
    upgrade_type: int = field(INT8, since=1, default=1)


class UpdateFeaturesRequest(Message, api_key=57, versions=(0, 2), flexible_since=0, response=UpdateFeaturesResponse):
    timeout_ms: int = field(INT32, default=60000)
    feature_updates: list[FeatureUpdateKey] = field(Array(FeatureUpdateKey))
    validate_only: bool = field(BOOLEAN, since=1)
