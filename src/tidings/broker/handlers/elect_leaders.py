"""ElectLeaders: let the preferred replica lead, or any that is left (KIP-183, KIP-460). The only one leads already.

- Named partitions are told ELECTION_NOT_NEEDED. No list means all, of which only those with news are told: none has.
- A partition that is offline here is offline everywhere: no election can help.
- Version 1 has a code at the top and the type of the election: 0 preferred, 1 unclean.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

PREFERRED = 0
UNCLEAN = 1


@handles(ElectLeadersRequest, access=[cluster(ALTER_CLUSTER)])
def elect_leaders(request: ElectLeadersRequest, context: Context) -> ElectLeadersResponse:
    if request.election_type not in (PREFERRED, UNCLEAN):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"There is no election type {request.election_type}.")
    return ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(
                topic=asked.topic,
                partition_result=[
                    _result(asked.topic, index, request.election_type, context) for index in asked.partitions
                ],
            )
            for asked in request.topic_partitions or []
        ]
    )


def _result(name: str, index: int, election_type: int, context: Context) -> PartitionResult:
    topic = context.broker.catalog.topics.get(name)
    if topic is None:
        return _said(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    if not 0 <= index < len(topic.partitions):
        return _said(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    if not topic.partitions[index].is_offline:
        return _said(index, ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
    if election_type == PREFERRED:
        return _said(index, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.")
    return _said(index, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "Eligible topic partition leaders are not available.")


def _said(index: int, code: ErrorCode, message: str) -> PartitionResult:
    return PartitionResult(partition_id=index, error_code=code, error_message=message)
