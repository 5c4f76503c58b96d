"""DescribeCluster: the nodes of the cluster: this one (KIP-700).

- Version 1 asks for brokers or for controllers (KIP-919). We answer as a broker, as Apache Kafka's brokers do.
- Version 2 may ask for fenced brokers too. There are none.
"""

from __future__ import annotations

from tidings.broker.access.guards import NOBODY_IS_KEPT_OUT
from tidings.broker.requests.advertised import advertised_address, cluster_operations
from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS = 1
CONTROLLERS = 2


@handles(DescribeClusterRequest, access=NOBODY_IS_KEPT_OUT)
def describe_cluster(request: DescribeClusterRequest, context: Context) -> DescribeClusterResponse:
    if request.endpoint_type == CONTROLLERS:
        raise ApiError(
            ErrorCode.MISMATCHED_ENDPOINT_TYPE, "The request was sent to a broker, and asks for controllers."
        )
    if request.endpoint_type != BROKERS:
        raise ApiError(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, f"There is no endpoint type {request.endpoint_type}.")
    broker = context.broker
    host, port = advertised_address(context)
    response = DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=broker.config.node_id,
        brokers=[DescribeClusterBroker(broker_id=broker.config.node_id, host=host, port=port)],
    )
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = cluster_operations(context)
    return response
