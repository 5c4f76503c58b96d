"""ApiVersions: which APIs there are, and in which versions. Derived from the table, so it cannot be wrong.

- A version we do not have is answered in version 0 with UNSUPPORTED_VERSION and the ranges; the client asks again.
- Version 3 names the client's software (KIP-511); a name that could not be a metric's tag is refused.
- Features (KIP-584) say which protocols between APIs are in force. Version 3 cannot tell of one that may also be off
  (level 0): its clients would fail at it, so they are told what is in force only (KAFKA-17492).
"""

from __future__ import annotations

import re
from functools import cache

from tidings.broker.access.guards import NOBODY_IS_KEPT_OUT
from tidings.broker.features import FEATURES, FEATURES_EPOCH
from tidings.broker.requests.dispatch import TABLE, Context, handles
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

LEVEL_0_SINCE = 4

SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


@cache
def _ranges() -> list[ApiVersion]:
    return [
        ApiVersion(api_key=api.key, min_version=api.version_min_announced, max_version=api.version_max)
        for _, api in sorted(TABLE.items())
    ]


def _other_version(context: Context) -> ApiVersionsResponse:
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=_ranges())


@handles(ApiVersionsRequest, on_other_version=_other_version, access=NOBODY_IS_KEPT_OUT)
def api_versions(request: ApiVersionsRequest, context: Context) -> ApiVersionsResponse:
    if context.api_version >= 3 and not (
        SOFTWARE.fullmatch(request.client_software_name) and SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ApiVersionsResponse(
        error_code=ErrorCode.NONE,
        api_keys=_ranges(),
        supported_features=[
            SupportedFeatureKey(name=feature.name, min_version=feature.level_min, max_version=feature.level_max)
            for feature in FEATURES
            if feature.level_min > 0 or context.api_version >= LEVEL_0_SINCE
        ],
        finalized_features_epoch=FEATURES_EPOCH,
        finalized_features=[
            FinalizedFeatureKey(name=feature.name, min_version_level=feature.level, max_version_level=feature.level)
            for feature in FEATURES
        ],
    )
