"""AlterConfigs: replaces all settings of a topic, or all dynamic ones of the broker; what is not named goes back to its
default. Kept for old tools: IncrementalAlterConfigs, which changes only what it names, has taken its place (KIP-339).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tidings.broker.access.guards import each_resource
from tidings.broker.catalog.config_changes import Wanted, alter, check_not_null, repeated
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.settings.config_key import ConfigKey
from tidings.security.rules import Operation
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


@handles(AlterConfigsRequest, access=[each_resource(Operation.ALTER_CONFIGS, "responses")])
async def alter_configs(request: AlterConfigsRequest, context: Context) -> AlterConfigsResponse:
    twice = repeated((resource.resource_type, resource.resource_name) for resource in request.resources)
    responses: dict[tuple[int, str], AlterConfigsResourceResponse] = {}
    for resource in request.resources:
        of = (resource.resource_type, resource.resource_name)
        response = responses[of] = AlterConfigsResourceResponse(
            error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        try:
            if of in twice:
                raise ApiError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            await alter(
                context.broker.catalog,
                of,
                context.broker.config.node_id,
                partial(_replaced, _wanted(resource)),
                validate_only=request.validate_only,
            )
        except ApiError as error:
            response.error_code, response.error_message = error.code, str(error)
    return AlterConfigsResponse(responses=list(responses.values()))


def _wanted(resource: AlterConfigsResource) -> dict[str, str | None]:
    wanted: dict[str, str | None] = {}
    for config in resource.configs:
        if config.name in wanted:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Error due to duplicate config keys: {config.name}")
        wanted[config.name] = check_not_null(config.name, config.value)
    return wanted


def _replaced(
    wanted: Mapping[str, str | None], current: Wanted, table: Mapping[str, ConfigKey]
) -> Mapping[str, str | None]:
    return wanted
