"""OffsetCommit: keep how far the group has come. Later versions carry more (v6 leader epochs, v7 static members), v10
names topics by their ids. From v9 on the generation may be the epoch of a member of the consumer protocol (KIP-848).

A consumer that assigns itself its partitions sends no member and generation -1: accepted while the group has no
members. Requests up to v4 may set a retention of their own.
"""

from __future__ import annotations

from tidings.coordination.groups.consumer.fencing import CommitFence, commit_fence
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.offsets import NO_EXPIRY, Committed
from tidings.coordination.groups.records import offset_record
from tidings.coordination.groups.registry import Registry, check_group_id_length
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

GROUP_ID_NOT_FOUND_SINCE = 9
TOPIC_IDS_SINCE = 10
NO_GENERATION = -1
DEFAULT_RETENTION = -1


def commit_offsets(
    registry: Registry, request: OffsetCommitRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    code, fence = _group_error(registry, request, client, now)
    expires_wall_ms = NO_EXPIRY
    if request.retention_time_ms != DEFAULT_RETENTION:
        expires_wall_ms = now.wall_ms + request.retention_time_ms
    topics = []
    for topic in request.topics:
        name, topic_id = _identify(registry, topic, client.api_version)
        count = registry.topics.partition_count(name) if name is not None else 0
        answers = []
        for partition in topic.partitions:
            wrong = _partition_error(registry, name, partition, count) or code
            if fence is not None and not wrong:
                wrong = fence.error(topic_id, partition.partition_index)
            if wrong is ErrorCode.NONE and name is not None:
                committed = Committed(
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.committed_metadata or "",
                    now.wall_ms,
                    expires_wall_ms,
                    topic_id,
                )
                outcome.records.append(offset_record(request.group_id, name, partition.partition_index, committed))
            answers.append(OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=wrong))
        topics.append(OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=answers))
    outcome.reply(ticket, OffsetCommitResponse(topics=topics))
    return outcome


def _identify(registry: Registry, topic: OffsetCommitRequestTopic, api_version: int) -> tuple[str | None, bytes]:
    if api_version >= TOPIC_IDS_SINCE:
        return registry.topics.topic_name(topic.topic_id), bytes(topic.topic_id)
    return topic.name, registry.topics.topic_id(topic.name)


def _partition_error(
    registry: Registry, topic: str | None, partition: OffsetCommitRequestPartition, partition_count: int
) -> ErrorCode:
    if topic is None:
        return ErrorCode.UNKNOWN_TOPIC_ID
    if not 0 <= partition.partition_index < partition_count:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    metadata = partition.committed_metadata
    if metadata is not None and len(metadata) > registry.config.offset_metadata_chars_max:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return ErrorCode.NONE


def _group_error(
    registry: Registry, request: OffsetCommitRequest, client: ClientInfo, now: Now
) -> tuple[ErrorCode, CommitFence | None]:
    """What forbids this commit altogether, and what may forbid single partitions of it.

    One that is allowed keeps its member's session alive, if that is of the classic protocol.
    """
    try:
        check_group_id_length(request.group_id)
        registry.check_not_shared(request.group_id)
        of_consumers = registry.consumer_groups.get(request.group_id)
        if of_consumers is not None:
            epoch = request.generation_id_or_member_epoch
            return ErrorCode.NONE, commit_fence(of_consumers, request.member_id, epoch, client.api_version)
        group = registry.groups.get(request.group_id)
        if group is not None:
            _check_member(registry, group, request, now)
        elif request.generation_id_or_member_epoch > NO_GENERATION:
            known = client.api_version >= GROUP_ID_NOT_FOUND_SINCE
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND if known else ErrorCode.ILLEGAL_GENERATION)
    except ApiError as error:
        return error.code, None
    return ErrorCode.NONE, None


def _check_member(registry: Registry, group: Group, request: OffsetCommitRequest, now: Now) -> None:
    generation = request.generation_id_or_member_epoch
    if generation <= NO_GENERATION:
        if group.state is GroupState.EMPTY:
            return
        if not request.member_id and request.group_instance_id is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)  # it has members, and this is none of them
    member = group.known_member(request.member_id, request.group_instance_id)
    if generation != group.generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    if group.state is GroupState.COMPLETING_REBALANCE:
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)
    registry.expect_heartbeat(group, member, now.monotonic_ms)
