"""ShareGroupDescribe: a share group, for those who look from outside."""

from __future__ import annotations

from tidings.coordination.groups.describe import ALL_OPERATIONS, OPERATIONS_NOT_ASKED
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.share.assignor import SIMPLE
from tidings.coordination.groups.share.group import Assigned, ShareGroup
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.coordination.topics import TopicDirectory
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.share_group_describe import (
    Assignment,
    DescribedGroup,
    Member,
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
    TopicPartitions,
)


def describe_share_groups(
    registry: Registry, request: ShareGroupDescribeRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    operations = ALL_OPERATIONS if request.include_authorized_operations else OPERATIONS_NOT_ASKED
    groups = []
    for group_id in request.group_ids:
        group = registry.share_groups.get(group_id)
        described = _absent(registry, group_id) if group is None else _described(group, registry.topics)
        described.authorized_operations = operations
        groups.append(described)
    outcome = Outcome()
    outcome.reply(ticket, ShareGroupDescribeResponse(groups=groups))
    return outcome


def _absent(registry: Registry, group_id: str) -> DescribedGroup:
    is_other = registry.has_other_than_share(group_id)
    message = f"Group {group_id} is not a share group." if is_other else f"Group {group_id} not found."
    return DescribedGroup(group_id=group_id, error_code=ErrorCode.GROUP_ID_NOT_FOUND, error_message=message)


def _described(group: ShareGroup, topics: TopicDirectory) -> DescribedGroup:
    return DescribedGroup(
        group_id=group.group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=SIMPLE,
        members=[
            Member(
                member_id=member.member_id,
                rack_id=member.rack_id,
                member_epoch=member.epoch,
                client_id=member.client_id,
                client_host=member.client_host,
                subscribed_topic_names=sorted(member.topic_names),
                assignment=_assignment(member.assigned, topics),
            )
            for member in group.members.values()
        ],
    )


def _assignment(assigned: Assigned, topics: TopicDirectory) -> Assignment:
    """Of topics that still exist."""
    named = [(topics.topic_name(topic_id), topic_id, partitions) for topic_id, partitions in assigned.items()]
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, topic_name=name, partitions=sorted(partitions))
            for name, topic_id, partitions in named
            if name is not None and partitions
        ]
    )
