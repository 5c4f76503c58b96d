"""DescribeTopicPartitions: topics and their partitions, as many as fit; a cursor says where to go on (KIP-966).

- No topics named means all of them. They are told in the order of their names, so that a cursor means something.
- A limit below 1 counts as 1: whoever asks gets on. More than 2,000 partitions are never told at once.
- The lists of eligible leaders are empty, not null: one replica is never short of a leader. (Java fails on null.)
"""

from __future__ import annotations

from collections.abc import Iterator

from tidings.broker.access.guards import inside
from tidings.broker.catalog.topic import Replica, Topic
from tidings.broker.catalog.topic_names import INTERNAL, check_name
from tidings.broker.requests.advertised import topic_operations
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

PARTITIONS_MAX = 2000
"""max.request.partition.size.limit"""
NO_LEADER = -1


@handles(DescribeTopicPartitionsRequest, access=[inside(DESCRIBE_TOPIC)])
def describe_topic_partitions(
    request: DescribeTopicPartitionsRequest, context: Context
) -> DescribeTopicPartitionsResponse:
    catalog = context.broker.catalog
    room = max(1, min(request.response_partition_limit, PARTITIONS_MAX))
    response = DescribeTopicPartitionsResponse(next_cursor=None)
    for name, first in _asked(request, context):
        if not room:
            response.next_cursor = Cursor(topic_name=name, partition_index=first)
            break
        topic = catalog.topics.get(name)
        if not _may_see(name, context):
            code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            response.topics.append(DescribeTopicPartitionsResponseTopic(error_code=code, name=name))
            continue
        if topic is None:
            response.topics.append(_unknown(name))
            continue
        told = topic.partitions[first : first + room]
        response.topics.append(_answer(topic, told, context))
        room -= len(told)
        if first + len(told) < len(topic.partitions):
            response.next_cursor = Cursor(topic_name=name, partition_index=first + len(told))
            break
    return response


def _asked(request: DescribeTopicPartitionsRequest, context: Context) -> Iterator[tuple[str, int]]:
    """Names, and of each the first partition to be told, from the cursor on."""
    cursor = request.cursor
    names = {asked.name for asked in request.topics} or {
        name for name in context.broker.catalog.topics if _may_see(name, context)
    }
    for name in sorted(names):
        if cursor is None or name > cursor.topic_name:
            yield name, 0
        elif name == cursor.topic_name:
            yield name, max(cursor.partition_index, 0)


def _may_see(name: str, context: Context) -> bool:
    return context.may(DESCRIBE_TOPIC, name)


def _answer(topic: Topic, replicas: list[Replica], context: Context) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.is_internal,
        partitions=[_partition(replica, context.broker.config.node_id) for replica in replicas],
        topic_authorized_operations=topic_operations(topic.name, context),
    )


def _partition(replica: Replica, node_id: int) -> DescribeTopicPartitionsResponsePartition:
    offline = replica.is_offline
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.LEADER_NOT_AVAILABLE if offline else ErrorCode.NONE,
        partition_index=replica.index,
        leader_id=NO_LEADER if offline else node_id,
        leader_epoch=replica.leader_epoch,
        replica_nodes=[node_id],
        isr_nodes=[node_id],
        eligible_leader_replicas=[],
        last_known_elr=[],
        offline_replicas=[node_id] if offline else [],
    )


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    try:
        check_name(name)
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    except ApiError as error:
        code = error.code
    return DescribeTopicPartitionsResponseTopic(error_code=code, name=name, is_internal=name in INTERNAL)
