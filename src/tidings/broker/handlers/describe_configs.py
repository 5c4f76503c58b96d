"""DescribeConfigs: the settings in force of topics, broker, groups, and subscriptions to metrics; where each was set.

- A list of keys narrows the answer; null and empty both mean all.
- `synonyms` are the layers below the value, nearest first; version 3 adds types and, if asked for, documentation.
- The broker named '' has only the cluster's dynamic defaults.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidings.broker.access.guards import each_resource
from tidings.broker.catalog.catalog_state import ResourceType
from tidings.broker.catalog.config_changes import check_broker
from tidings.broker.catalog.topic_names import check_name
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.settings.broker_configs import BROKER_CONFIGS
from tidings.broker.settings.client_metrics_configs import CLIENT_METRICS_CONFIGS, check_subscription
from tidings.broker.settings.config_key import ConfigKey, ConfigSource
from tidings.broker.settings.group_configs import GROUP_CONFIGS, check_group
from tidings.broker.settings.resolved import DEFAULT_BROKER, Setting
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS
from tidings.security.rules import Operation
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)


@handles(DescribeConfigsRequest, access=[each_resource(Operation.DESCRIBE_CONFIGS, "results")])
def describe_configs(request: DescribeConfigsRequest, context: Context) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(results=[_describe(resource, request, context) for resource in request.resources])


def _describe(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: Context
) -> DescribeConfigsResult:
    result = DescribeConfigsResult(
        error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
    )
    try:
        if resource.resource_type == ResourceType.TOPIC:
            result.configs = _of_topic(resource, request, context)
        elif resource.resource_type == ResourceType.BROKER:
            result.configs = _of_broker(resource, request, context)
        elif resource.resource_type == ResourceType.GROUP:
            result.configs = _of_group(resource, request, context)
        elif resource.resource_type == ResourceType.CLIENT_METRICS:
            result.configs = _of_client_metrics(resource, request, context)
        else:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Unsupported resource type: {resource.resource_type}")
    except ApiError as error:
        result.error_code, result.error_message = error.code, str(error)
    return result


def _of_topic(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: Context
) -> list[DescribeConfigsResourceResult]:
    check_name(resource.resource_name)
    catalog = context.broker.catalog
    own = catalog.topic(resource.resource_name).configs
    described = []
    for key in _chosen(TOPIC_CONFIGS, resource.configuration_keys):
        value, source = catalog.settings.topic_value(key.name, own)
        layers = catalog.settings.of_topic(key.name, own)
        described.append(_described(key, value, source, layers, request))
    return described


def _of_broker(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: Context
) -> list[DescribeConfigsResourceResult]:
    check_broker(resource.resource_name, context.broker.config.node_id)
    settings = context.broker.catalog.settings
    keys: Mapping[str, ConfigKey] = BROKER_CONFIGS
    if resource.resource_name == DEFAULT_BROKER:
        keys = {name: BROKER_CONFIGS[name] for name in settings.dynamic.get(DEFAULT_BROKER, {})}
    described = []
    for key in _chosen(keys, resource.configuration_keys):
        layers = settings.of_broker(key.name)
        if resource.resource_name == DEFAULT_BROKER:
            layers = [layer for layer in layers if layer.source == ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG]
        value, source = (layers[0].value, layers[0].source) if layers else (None, ConfigSource.DEFAULT_CONFIG)
        described.append(_described(key, value, source, layers, request))
    return described


def _of_group(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: Context
) -> list[DescribeConfigsResourceResult]:
    check_group(resource.resource_name)
    own = context.broker.catalog.groups.get(resource.resource_name, {})
    described = []
    for key in _chosen(GROUP_CONFIGS, resource.configuration_keys):
        layers = [Setting(key.name, own[key.name], ConfigSource.DYNAMIC_GROUP_CONFIG)] if key.name in own else []
        source = layers[0].source if layers else ConfigSource.DEFAULT_CONFIG
        if (synonym := f"group.{key.name}") in BROKER_CONFIGS:
            layers += context.broker.catalog.settings.of_broker(synonym)
        else:
            layers.append(Setting(key.name, key.default or "", ConfigSource.DEFAULT_CONFIG))
        described.append(_described(key, layers[0].value, source, layers, request))
    return described


def _of_client_metrics(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: Context
) -> list[DescribeConfigsResourceResult]:
    check_subscription(resource.resource_name)
    own = context.broker.catalog.client_metrics.get(resource.resource_name, {})
    described = []
    for key in _chosen(CLIENT_METRICS_CONFIGS, resource.configuration_keys):
        is_own = key.name in own
        source = ConfigSource.DYNAMIC_CLIENT_METRICS_CONFIG if is_own else ConfigSource.DEFAULT_CONFIG
        layers = [Setting(key.name, own[key.name], source)] if is_own else []
        described.append(_described(key, own.get(key.name, key.default), source, layers, request))
    return described


def _chosen(table: Mapping[str, ConfigKey], names: Collection[str] | None) -> list[ConfigKey]:
    return [key for key in table.values() if not names or key.name in names]


def _described(
    key: ConfigKey, value: str | None, source: ConfigSource, layers: list[Setting], request: DescribeConfigsRequest
) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=key.name,
        value=value,
        read_only=not key.dynamic,
        config_source=source,
        synonyms=[
            DescribeConfigsSynonym(name=layer.name, value=layer.value, source=layer.source)
            for layer in layers
            if request.include_synonyms
        ],
        config_type=key.type,
        documentation=key.documentation if request.include_documentation else None,
    )
