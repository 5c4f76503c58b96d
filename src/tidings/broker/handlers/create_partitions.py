"""CreatePartitions: a topic grows; it never shrinks, and the records it has stay where they are.

`timeout_ms` is not needed: there is nobody to wait for but our disk.
"""

from __future__ import annotations

from collections import Counter

from tidings.broker.access.guards import each
from tidings.broker.requests.assignments import check_replicas
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

PARTITIONS_PER_REQUEST_MAX = 10_000


@handles(CreatePartitionsRequest, access=[each(ALTER_TOPIC, "topics", "results")])
async def create_partitions(request: CreatePartitionsRequest, context: Context) -> CreatePartitionsResponse:
    counts = Counter(topic.name for topic in request.topics)
    results: dict[str, CreatePartitionsTopicResult] = {}
    for topic in request.topics:
        try:
            if counts[topic.name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            _check(topic, context)
            await context.broker.catalog.add_partitions(topic.name, topic.count, validate_only=request.validate_only)
            results[topic.name] = CreatePartitionsTopicResult(name=topic.name)
        except ApiError as error:
            results[topic.name] = CreatePartitionsTopicResult(
                name=topic.name, error_code=error.code, error_message=str(error)
            )
    return CreatePartitionsResponse(results=list(results.values()))


def _check(topic: CreatePartitionsTopic, context: Context) -> None:
    """What the catalog does not look at. Raises ApiError."""
    more = topic.count - len(context.broker.catalog.topic(topic.name).partitions)
    if more > PARTITIONS_PER_REQUEST_MAX:
        raise ApiError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    if topic.assignments is None or more <= 0:
        return
    if len(topic.assignments) != more:
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {more} additional partition(s), but only {len(topic.assignments)} assignment(s) were"
            " specified.",
        )
    for assignment in topic.assignments:
        check_replicas(assignment.broker_ids, context.broker.config.node_id)
