"""AlterPartitionReassignments: put partitions on other brokers (KIP-455). There is one: they may stay where they are.

- No list of replicas cancels a reassignment under way: there never is one.
- Version 1 may forbid to change the number of replicas, which cannot change here.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.assignments import check_replicas
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


@handles(AlterPartitionReassignmentsRequest, access=[cluster(ALTER_CLUSTER)])
def alter_partition_reassignments(
    request: AlterPartitionReassignmentsRequest, context: Context
) -> AlterPartitionReassignmentsResponse:
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name, partitions=[_result(topic.name, asked, context) for asked in topic.partitions]
            )
            for topic in request.topics
        ],
    )


def _result(name: str, asked: ReassignablePartition, context: Context) -> ReassignablePartitionResponse:
    result = ReassignablePartitionResponse(partition_index=asked.partition_index, error_message=None)
    try:
        _check(name, asked, context)
    except ApiError as error:
        result.error_code, result.error_message = error.code, str(error)
    return result


def _check(name: str, asked: ReassignablePartition, context: Context) -> None:
    topic = context.broker.catalog.topics.get(name)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {name}.")
    if not 0 <= asked.partition_index < len(topic.partitions):
        raise ApiError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {name}:{asked.partition_index}."
        )
    if asked.replicas is None:
        raise ApiError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.")
    check_replicas(asked.replicas, context.broker.config.node_id)
