"""UpdateFeatures: choose the level of a feature (KIP-584). Here each has one level, and to choose it changes nothing.

- Up to version 1 each feature is answered; since version 2 only the first thing wrong is, at the top.
- Level 0 and below mean that the feature is to be off.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.features import FEATURES
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.update_features import (
    FeatureUpdateKey,
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)

ONE_ANSWER_SINCE = 2
FAILED_FOR_ALL = "The update failed for all features since the following feature had an error"


@handles(UpdateFeaturesRequest, access=[cluster(ALTER_CLUSTER)])
def update_features(request: UpdateFeaturesRequest, context: Context) -> UpdateFeaturesResponse:
    results = [_result(asked, context) for asked in request.feature_updates]
    if context.api_version < ONE_ANSWER_SINCE:
        return UpdateFeaturesResponse(error_message=None, results=results)
    for result in results:
        if result.error_code:
            return UpdateFeaturesResponse(
                error_code=result.error_code, error_message=f"{FAILED_FOR_ALL}: {result.error_message}"
            )
    return UpdateFeaturesResponse(error_message=None)


def _result(asked: FeatureUpdateKey, context: Context) -> UpdatableFeatureResult:
    result = UpdatableFeatureResult(feature=asked.feature, error_message=None)
    try:
        _check(asked, context.broker.config.node_id)
    except ApiError as error:
        result.error_code, result.error_message = error.code, str(error)
    return result


def _check(asked: FeatureUpdateKey, node_id: int) -> None:
    wrong = f"Invalid update version {asked.max_version_level} for feature {asked.feature}. Local controller {node_id}"
    feature = next((feature for feature in FEATURES if feature.name == asked.feature), None)
    if feature is None:
        raise ApiError(ErrorCode.INVALID_UPDATE_VERSION, f"{wrong} does not support this feature.")
    if not feature.level_min <= asked.max_version_level <= feature.level_max:
        supported = f"{feature.level_min}-{feature.level_max}"
        raise ApiError(ErrorCode.INVALID_UPDATE_VERSION, f"{wrong} only supports versions {supported}")
    if asked.max_version_level != feature.level:
        raise ApiError(ErrorCode.INVALID_UPDATE_VERSION, f"{wrong} keeps it at {feature.level}.")
