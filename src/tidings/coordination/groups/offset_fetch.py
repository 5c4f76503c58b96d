"""OffsetFetch: how far groups have come. A group or partition nothing is known of answers offset -1, without an error.

v2 all topics, if none are named. v5 leader epochs. v7 require_stable: where an open transaction may be about to commit
another offset, UNSTABLE_OFFSET_COMMIT, and the client asks again (KIP-447). v8 several groups in one request. v9 the
epoch of a member of the consumer protocol, which has to be right. v10 topics by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidings.coordination.groups.consumer.fencing import check_fetch
from tidings.coordination.groups.offsets import NOTHING, Committed
from tidings.coordination.groups.pending_offsets import Place
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

SEVERAL_GROUPS_SINCE = 8
TOPIC_IDS_SINCE = 10


def fetch_offsets(
    registry: Registry, request: OffsetFetchRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    if client.api_version >= SEVERAL_GROUPS_SINCE:
        by_id = client.api_version >= TOPIC_IDS_SINCE
        groups = [_group(registry, group, by_id, request.require_stable) for group in request.groups]
        outcome.reply(ticket, OffsetFetchResponse(groups=groups))
    else:
        outcome.reply(ticket, OffsetFetchResponse(topics=_topics_of_one_group(registry, request)))
    return outcome


def _topics_of_one_group(registry: Registry, request: OffsetFetchRequest) -> list[OffsetFetchResponseTopic]:
    if request.topics is None:
        wanted = [(name, list(found)) for name, found in registry.offsets.topics(request.group_id).items()]
    else:
        wanted = [(topic.name, topic.partition_indexes) for topic in request.topics]
    return [
        OffsetFetchResponseTopic(
            name=name,
            partitions=[
                OffsetFetchResponsePartition(
                    partition_index=index,
                    committed_offset=found.offset,
                    committed_leader_epoch=found.leader_epoch,
                    metadata=found.metadata,
                    error_code=code,
                )
                for index, found, code in _find(registry, request.group_id, name, partitions, request.require_stable)
            ],
        )
        for name, partitions in wanted
    ]


def _group(registry: Registry, group: OffsetFetchRequestGroup, by_id: bool, stable: bool) -> OffsetFetchResponseGroup:
    of_consumers = registry.consumer_groups.get(group.group_id)
    if of_consumers is not None:
        try:
            check_fetch(of_consumers, group.member_id, group.member_epoch)
        except ApiError as error:
            return OffsetFetchResponseGroup(group_id=group.group_id, error_code=error.code)
    if group.topics is None:
        topics = [
            _topic(registry, group.group_id, name, registry.topics.topic_id(name), list(partitions), stable)
            for name, partitions in registry.offsets.topics(group.group_id).items()
            if not by_id or registry.topics.partition_count(name)
        ]
    else:
        topics = [_requested_topic(registry, group.group_id, topic, by_id, stable) for topic in group.topics]
    return OffsetFetchResponseGroup(group_id=group.group_id, topics=topics)


def _requested_topic(
    registry: Registry, group_id: str, topic: OffsetFetchRequestTopics, by_id: bool, stable: bool
) -> OffsetFetchResponseTopics:
    if not by_id:
        return _topic(registry, group_id, topic.name, NULL_UUID, topic.partition_indexes, stable)
    topic_id = bytes(topic.topic_id)
    name = registry.topics.topic_name(topic_id)
    if name is not None:
        return _topic(registry, group_id, name, topic_id, topic.partition_indexes, stable)
    unknown = [_partition(index, NOTHING, ErrorCode.UNKNOWN_TOPIC_ID) for index in topic.partition_indexes]
    return OffsetFetchResponseTopics(topic_id=topic_id, partitions=unknown)


def _topic(
    registry: Registry, group_id: str, name: str, topic_id: bytes, partitions: Iterable[int], stable: bool
) -> OffsetFetchResponseTopics:
    found = _find(registry, group_id, name, partitions, stable)
    return OffsetFetchResponseTopics(name=name, topic_id=topic_id, partitions=[_partition(*one) for one in found])


def _partition(index: int, committed: Committed, code: ErrorCode = ErrorCode.NONE) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        error_code=code,
    )


def _find(
    registry: Registry, group_id: str, topic: str, partitions: Iterable[int], stable: bool
) -> list[tuple[int, Committed, ErrorCode]]:
    return [
        (index, NOTHING, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        if stable and Place(group_id, topic, index) in registry.pending
        else (index, registry.offsets.get(group_id, topic, index) or NOTHING, ErrorCode.NONE)
        for index in partitions
    ]
