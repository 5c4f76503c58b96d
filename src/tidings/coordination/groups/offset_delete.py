"""OffsetDelete (KIP-496): take back what a group committed for topics that it no longer reads."""

from __future__ import annotations

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.pending_offsets import Place
from tidings.coordination.groups.records import offset_record
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


def delete_offsets(
    registry: Registry, request: OffsetDeleteRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    try:
        group = registry.consumer_groups.get(request.group_id) or registry.group(request.group_id)
        if isinstance(group, Group) and group.state is not GroupState.EMPTY and not group.is_of_consumers:
            raise ApiError(ErrorCode.NON_EMPTY_GROUP)  # what its members read, only they know
    except ApiError as error:
        outcome.reply(ticket, OffsetDeleteResponse(error_code=error.code))
        return outcome
    answers = []
    for topic in request.topics:
        indexes = [partition.partition_index for partition in topic.partitions]
        answers.append(
            OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(
                        partition_index=index, error_code=_delete(registry, group, topic.name, index, outcome)
                    )
                    for index in indexes
                ],
            )
        )
    outcome.reply(ticket, OffsetDeleteResponse(topics=answers))
    return outcome


def _delete(
    registry: Registry, group: Group | ConsumerGroup, topic: str, partition: int, outcome: Outcome
) -> ErrorCode:
    if not 0 <= partition < registry.topics.partition_count(topic):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if group.is_subscribed_to(topic):
        return ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    is_pending = Place(group.group_id, topic, partition) in registry.pending
    if is_pending or registry.offsets.get(group.group_id, topic, partition) is not None:
        outcome.records.append(offset_record(group.group_id, topic, partition, None))
    return ErrorCode.NONE
