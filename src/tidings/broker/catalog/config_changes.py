"""What AlterConfigs and IncrementalAlterConfigs have in common: whose settings they are, and which may be set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.catalog_state import ResourceType
from tidings.broker.settings.broker_configs import BROKER_CONFIGS
from tidings.broker.settings.client_metrics_configs import (
    CLIENT_METRICS_CONFIGS,
    check_subscription,
    checked_of_client_metrics,
)
from tidings.broker.settings.config_key import ConfigKey
from tidings.broker.settings.group_configs import GROUP_CONFIGS, check_group, checked_of_group
from tidings.broker.settings.resolved import DEFAULT_BROKER
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS, checked
from tidings.wire.error_codes import ApiError, ErrorCode

Wanted = dict[str, str]
Resource = tuple[int, str]
"""Type and name."""


def repeated(resources: Iterable[Resource]) -> set[Resource]:
    """Each resource may be there once."""
    return {resource for resource, count in Counter(resources).items() if count > 1}


async def alter(
    catalog: Catalog,
    resource: Resource,
    node_id: int,
    change: Callable[[Wanted, Mapping[str, ConfigKey]], Mapping[str, str | None]],
    *,
    validate_only: bool,
) -> None:
    """Let `change` make new settings out of those there are; check and keep them. Raises ApiError."""
    kind, name = resource
    if kind == ResourceType.TOPIC:
        await catalog.alter_topic(
            name, lambda current: checked(change(current, TOPIC_CONFIGS)), validate_only=validate_only
        )
    elif kind == ResourceType.BROKER:
        check_broker(name, node_id)
        await catalog.alter_broker(
            name, lambda current: _checked_of_broker(change(current, BROKER_CONFIGS)), validate_only=validate_only
        )
    elif kind == ResourceType.GROUP:
        check_group(name)
        await catalog.alter_group(
            name,
            lambda current: checked_of_group(change(current, GROUP_CONFIGS), catalog.settings.value_of_broker),
            validate_only=validate_only,
        )
    elif kind == ResourceType.CLIENT_METRICS:
        check_subscription(name)
        await catalog.alter_client_metrics(
            name,
            lambda current: checked_of_client_metrics(change(current, CLIENT_METRICS_CONFIGS)),
            validate_only=validate_only,
        )
    else:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"Unsupported resource type {kind}.")


def check_broker(name: str, node_id: int) -> None:
    """Whether `name` is this broker or all of them. Raises ApiError INVALID_REQUEST."""
    if name not in (DEFAULT_BROKER, str(node_id)):
        raise ApiError(
            ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {node_id} or empty string, but received {name}"
        )


def check_not_null(name: str, value: str | None) -> str:
    if value is None:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {name}")
    return value


def _checked_of_broker(values: Mapping[str, str | None]) -> Wanted:
    """As Kafka does, what is wrong with a broker's setting is an INVALID_REQUEST (KAFKA-13609 says why)."""
    wanted = {}
    for name, value in values.items():
        key = BROKER_CONFIGS.get(name)
        if key is None:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Unknown broker config name: {name}")
        if not key.dynamic:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"Cannot update these configs dynamically: {name}")
        try:
            wanted[name] = key.canonical(check_not_null(name, value))
        except ApiError as error:
            raise ApiError(ErrorCode.INVALID_REQUEST, str(error)) from None
    return wanted
