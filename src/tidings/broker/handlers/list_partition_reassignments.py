"""ListPartitionReassignments: partitions on their way to other brokers (KIP-455). There is one broker, so none are."""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


@handles(ListPartitionReassignmentsRequest, access=[cluster(DESCRIBE_CLUSTER)])
def list_partition_reassignments(
    request: ListPartitionReassignmentsRequest, context: Context
) -> ListPartitionReassignmentsResponse:
    return ListPartitionReassignmentsResponse(error_message=None)
