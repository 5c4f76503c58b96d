"""ConsumerGroupDescribe: a group of the consumer protocol, for those who look from outside. v1 tells members' types."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidings.coordination.groups.consumer.assignors import UNIFORM
from tidings.coordination.groups.consumer.group import ConsumerGroup, preferred_assignor
from tidings.coordination.groups.consumer.member import ConsumerMember
from tidings.coordination.groups.describe import ALL_OPERATIONS, OPERATIONS_NOT_ASKED
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.coordination.topics import TopicDirectory
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_group_describe import (
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)

MEMBER_TYPE_CLASSIC = 0
MEMBER_TYPE_CONSUMER = 1


def describe_consumer_groups(
    registry: Registry, request: ConsumerGroupDescribeRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    operations = ALL_OPERATIONS if request.include_authorized_operations else OPERATIONS_NOT_ASKED
    groups = []
    for group_id in request.group_ids:
        group = registry.consumer_groups.get(group_id)
        described = _absent(registry, group_id) if group is None else _described(group, registry.topics)
        described.authorized_operations = operations
        groups.append(described)
    outcome = Outcome()
    outcome.reply(ticket, ConsumerGroupDescribeResponse(groups=groups))
    return outcome


def _absent(registry: Registry, group_id: str) -> DescribedGroup:
    is_classic = group_id in registry.groups or group_id in registry.share_groups
    message = f"Group {group_id} is not a consumer group." if is_classic else f"Group {group_id} not found."
    return DescribedGroup(group_id=group_id, error_code=ErrorCode.GROUP_ID_NOT_FOUND, error_message=message)


def _described(group: ConsumerGroup, topics: TopicDirectory) -> DescribedGroup:
    return DescribedGroup(
        group_id=group.group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=preferred_assignor(group.members.values(), UNIFORM),
        members=[_member(group, member, topics) for member in group.members.values()],
    )


def _member(group: ConsumerGroup, member: ConsumerMember, topics: TopicDirectory) -> Member:
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        assignment=_assignment(member.assigned, topics),
        target_assignment=_assignment(group.targets.get(member.member_id, {}), topics),
        member_type=MEMBER_TYPE_CONSUMER if member.classic is None else MEMBER_TYPE_CLASSIC,
    )


def _assignment(owned: Mapping[bytes, Collection[int]], topics: TopicDirectory) -> Assignment:
    """Of topics that still exist."""
    named = [(topics.topic_name(topic_id), topic_id, partitions) for topic_id, partitions in owned.items()]
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, topic_name=name, partitions=sorted(partitions))
            for name, topic_id, partitions in named
            if name is not None and partitions
        ]
    )
