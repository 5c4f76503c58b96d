"""TxnOffsetCommit: a group's offsets as part of a producer's transaction; they count when it commits.

Whether the producer may write is asked of the transaction coordinator before. v3 names the member (KIP-447): a consumer
that lost its partitions cannot commit for them any more. Who names none is believed: older versions could not. v5: the
transaction need not be told before (KIP-890).
"""

from __future__ import annotations

from tidings.coordination.groups.consumer.fencing import MEMBER_EPOCHS_SINCE, CommitFence, commit_fence
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.offsets import NO_EXPIRY, Committed
from tidings.coordination.groups.records import offset_record
from tidings.coordination.groups.registry import Registry, check_group_id
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Producer, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)


def commit_transactional(
    registry: Registry, request: TxnOffsetCommitRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome(producer=Producer(request.producer_id, request.producer_epoch))
    code, fence = _group_error(registry, request)
    topics = []
    for topic in request.topics:
        topic_id = registry.topics.topic_id(topic.name)
        answers = []
        for partition in topic.partitions:
            wrong = _partition_error(registry, topic.name, partition) or code
            if wrong is ErrorCode.NONE and fence is not None and fence.error(topic_id, partition.partition_index):
                wrong = ErrorCode.ILLEGAL_GENERATION  # as producers know it
            if wrong is ErrorCode.NONE:
                committed = Committed(
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.committed_metadata or "",
                    now.wall_ms,
                    NO_EXPIRY,
                    topic_id,
                )
                record = offset_record(request.group_id, topic.name, partition.partition_index, committed)
                outcome.records.append(record)
            answers.append(_answer(partition.partition_index, wrong))
        topics.append(TxnOffsetCommitResponseTopic(name=topic.name, partitions=answers))
    outcome.reply(ticket, TxnOffsetCommitResponse(topics=topics))
    return outcome


def refused(request: TxnOffsetCommitRequest, code: ErrorCode) -> TxnOffsetCommitResponse:
    """The reply that says `code` of everything."""
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[_answer(partition.partition_index, code) for partition in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _answer(index: int, code: ErrorCode) -> TxnOffsetCommitResponsePartition:
    return TxnOffsetCommitResponsePartition(partition_index=index, error_code=code)


def _partition_error(registry: Registry, topic: str, partition: TxnOffsetCommitRequestPartition) -> ErrorCode:
    if not 0 <= partition.partition_index < registry.topics.partition_count(topic):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if len(partition.committed_metadata or "") > registry.config.offset_metadata_chars_max:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return ErrorCode.NONE


def _group_error(registry: Registry, request: TxnOffsetCommitRequest) -> tuple[ErrorCode, CommitFence | None]:
    """What forbids this commit altogether, and what may forbid single partitions of it."""
    names_member = request.generation_id >= 0 or request.member_id or request.group_instance_id is not None
    try:
        check_group_id(request.group_id)
        registry.check_not_shared(request.group_id)
        of_consumers = registry.consumer_groups.get(request.group_id)
        group = registry.groups.get(request.group_id)
        if of_consumers is not None and names_member:
            fence = commit_fence(of_consumers, request.member_id, request.generation_id, MEMBER_EPOCHS_SINCE)
            return ErrorCode.NONE, fence
        if group is not None and names_member:
            _check_member(group, request)
        elif group is None and of_consumers is None and request.generation_id >= 0:
            raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    except ApiError as error:
        return error.code, None
    return ErrorCode.NONE, None


def _check_member(group: Group, request: TxnOffsetCommitRequest) -> None:
    if request.generation_id < 0 and group.state is GroupState.EMPTY:
        return
    group.known_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
