"""ListConfigResources: what there are settings of, by kind (KIP-1142).

- Version 0 is about subscriptions to clients' metrics alone (KIP-1000); since version 1 no kinds named means all.
- Of topics and brokers all are told, also those without a setting of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidings.broker.access.guards import cluster
from tidings.broker.catalog.catalog_state import ResourceType
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CONFIGS_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

BROKER_LOGGER = 8
ALL_KINDS_SINCE = 1


@handles(ListConfigResourcesRequest, access=[cluster(DESCRIBE_CONFIGS_CLUSTER)])
def list_config_resources(request: ListConfigResourcesRequest, context: Context) -> ListConfigResourcesResponse:
    names = _names(context)
    kinds = list(dict.fromkeys(request.resource_types)) or list(names)
    if context.api_version < ALL_KINDS_SINCE:
        kinds = [ResourceType.CLIENT_METRICS]
    unknown = [kind for kind in kinds if kind not in names]
    if unknown:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"There are no settings of kind {unknown[0]}.")
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=kind) for kind in kinds for name in names[kind]
        ]
    )


def _names(context: Context) -> dict[int, Iterable[str]]:
    catalog = context.broker.catalog
    node = [str(context.broker.config.node_id)]
    return {
        ResourceType.TOPIC: catalog.topics,
        ResourceType.BROKER: node,
        BROKER_LOGGER: node,
        ResourceType.CLIENT_METRICS: catalog.client_metrics,
        ResourceType.GROUP: catalog.groups,
    }
