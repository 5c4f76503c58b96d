"""IncrementalAlterConfigs: sets and unsets single settings of a topic or of the broker (KIP-339).

Of a setting that is a list, elements can be added (APPEND) or taken out (SUBTRACT); where it is not set yet, of its
default. All that is asked of one resource is done, or nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from functools import partial

from tidings.broker.access.guards import each_resource
from tidings.broker.catalog.config_changes import Wanted, alter, check_not_null, repeated
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.settings.config_key import ConfigKey, ConfigType
from tidings.security import rules as access_rules
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


class Operation(IntEnum):
    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@handles(IncrementalAlterConfigsRequest, access=[each_resource(access_rules.Operation.ALTER_CONFIGS, "responses")])
async def incremental_alter_configs(
    request: IncrementalAlterConfigsRequest, context: Context
) -> IncrementalAlterConfigsResponse:
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
            _check_names(resource)
            await alter(
                context.broker.catalog,
                of,
                context.broker.config.node_id,
                partial(_changed, resource),
                validate_only=request.validate_only,
            )
        except ApiError as error:
            response.error_code, response.error_message = error.code, str(error)
    return IncrementalAlterConfigsResponse(responses=list(responses.values()))


def _check_names(resource: AlterConfigsResource) -> None:
    for name, count in Counter(config.name for config in resource.configs).items():
        if count > 1:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Error due to duplicate config keys: {name}")


def _changed(resource: AlterConfigsResource, current: Wanted, table: Mapping[str, ConfigKey]) -> dict[str, str | None]:
    wanted: dict[str, str | None] = {**current}
    for config in resource.configs:
        value = _value(config, current, table)
        if value is None:
            wanted.pop(config.name, None)
        else:
            wanted[config.name] = value
    return wanted


def _value(config: AlterableConfig, current: Wanted, table: Mapping[str, ConfigKey]) -> str | None:
    """What the setting is to be; None if it is to be unset. Raises ApiError."""
    try:
        operation = Operation(config.config_operation)
    except ValueError:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"Unknown operation type {config.config_operation}") from None
    if operation is Operation.DELETE:
        return None
    value = check_not_null(config.name, config.value)
    if operation is Operation.SET:
        return value
    key = table.get(config.name)
    if key is None or key.type is not ConfigType.LIST:
        raise ApiError(
            ErrorCode.INVALID_CONFIG, f"Can't {operation.name} to key {config.name} because its type is not LIST."
        )
    elements = key.split(current.get(config.name, key.default))
    given = key.split(value)
    if operation is Operation.APPEND:
        return ",".join(elements + [element for element in given if element not in elements])
    return ",".join(element for element in elements if element not in given)
