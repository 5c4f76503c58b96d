"""The records of a share group in `__consumer_offsets`, in Kafka's own format, and their replay.

Kinds of keys: 10 what a member subscribes to, 11 the group's epoch, 12 the epoch of the target assignment, 13 what a
member is to have, 14 what it has. A key without a value takes back what was said. Kafka keeps in 15 for which
partitions there are states; here the states themselves tell (`coordination.share_state`), so 15 is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tidings.coordination.groups.record_kinds import RecordKinds
from tidings.coordination.groups.share.group import (
    LEAVE_EPOCH,
    NO_ASSIGNMENT_EPOCH,
    Assigned,
    ShareGroup,
    ShareMember,
)
from tidings.coordination.outcome import Record
from tidings.wire.message import Message
from tidings.wire.messages.share_group_records import (
    ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey,
    ShareGroupMemberMetadataValue,
    ShareGroupMetadataKey,
    ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
)

SHARE_RECORDS = RecordKinds(
    {
        10: (ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue),
        11: (ShareGroupMetadataKey, ShareGroupMetadataValue),
        12: (ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue),
        13: (ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue),
        14: (ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue),
        15: (ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue),
    }
)
_key = SHARE_RECORDS.key
_value = SHARE_RECORDS.value
_STABLE = 0


# --- writing ---


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> Record:
    return _key(ShareGroupMetadataKey(group_id=group_id)), _value(
        ShareGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash)
    )


def member_record(group_id: str, member: ShareMember) -> Record:
    value = ShareGroupMemberMetadataValue(
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
    )
    return _key(ShareGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id)), _value(value)


def target_epoch_record(group_id: str, epoch: int, wall_ms: int) -> Record:
    value = ShareGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=wall_ms)
    return _key(ShareGroupTargetAssignmentMetadataKey(group_id=group_id)), _value(value)


def target_record(group_id: str, member_id: str, target: Assigned) -> Record:
    parts = [TopicPartition(topic_id=topic, partitions=sorted(target[topic])) for topic in sorted(target)]
    key = ShareGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id)
    return _key(key), _value(ShareGroupTargetAssignmentMemberValue(topic_partitions=parts))


def assignment_record(group_id: str, member: ShareMember) -> Record:
    value = ShareGroupCurrentMemberAssignmentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=_STABLE,
        assigned_partitions=[
            TopicPartitions(topic_id=topic, partitions=sorted(member.assigned[topic]))
            for topic in sorted(member.assigned)
        ],
    )
    return _key(ShareGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id)), _value(value)


def member_tombstones(group_id: str, member_id: str) -> list[Record]:
    keys = (
        ShareGroupCurrentMemberAssignmentKey,
        ShareGroupTargetAssignmentMemberKey,
        ShareGroupMemberMetadataKey,
    )
    return [(_key(key(group_id=group_id, member_id=member_id)), None) for key in keys]


def group_tombstones(group: ShareGroup) -> list[Record]:
    group_id = group.group_id
    return [
        *(record for member_id in group.members for record in member_tombstones(group_id, member_id)),
        (_key(ShareGroupTargetAssignmentMetadataKey(group_id=group_id)), None),
        (_key(ShareGroupMetadataKey(group_id=group_id)), None),
    ]


def all_records(group: ShareGroup) -> Iterator[Record]:
    """All that lasts of the group. It may change between two records: each shows it as it is when asked for."""
    group_id = group.group_id
    yield epoch_record(group_id, group.epoch, group.metadata_hash)
    for member_id in list(group.members):
        if member_id in group.members:
            yield member_record(group_id, group.members[member_id])
    if group.target_epoch != NO_ASSIGNMENT_EPOCH:
        yield target_epoch_record(group_id, group.target_epoch, group.target_wall_ms)
    for member_id in list(group.targets):
        if member_id in group.targets:
            yield target_record(group_id, member_id, group.targets[member_id])
    for member_id in list(group.members):
        if member_id in group.members:
            yield assignment_record(group_id, group.members[member_id])


# --- reading ---


def replay(group: ShareGroup, at: Message, said: Message | None) -> None:
    """Do what a record with a value says, or take back what one of its members or targets was."""
    match at, said:
        case ShareGroupMetadataKey(), ShareGroupMetadataValue() as value:
            group.epoch, group.metadata_hash = value.epoch, value.metadata_hash
        case ShareGroupTargetAssignmentMetadataKey(), ShareGroupTargetAssignmentMetadataValue() as value:
            group.target_epoch, group.target_wall_ms = value.assignment_epoch, value.assignment_timestamp
        case ShareGroupTargetAssignmentMetadataKey(), None:
            group.target_epoch, group.target_wall_ms = NO_ASSIGNMENT_EPOCH, 0
        case ShareGroupMemberMetadataKey() as key, None:
            group.members.pop(key.member_id, None)
        case ShareGroupMemberMetadataKey() as key, ShareGroupMemberMetadataValue() as value:
            group.members[key.member_id] = replace(
                _member(group, key.member_id),
                rack_id=value.rack_id,
                client_id=value.client_id,
                client_host=value.client_host,
                topic_names=frozenset(value.subscribed_topic_names),
            )
        case ShareGroupTargetAssignmentMemberKey() as key, None:
            group.targets.pop(key.member_id, None)
        case ShareGroupTargetAssignmentMemberKey() as key, ShareGroupTargetAssignmentMemberValue() as value:
            group.targets[key.member_id] = _read(value.topic_partitions)
        case ShareGroupCurrentMemberAssignmentKey() as key, None:
            if key.member_id in group.members:
                group.members[key.member_id] = replace(group.members[key.member_id], epoch=LEAVE_EPOCH, assigned={})
        case ShareGroupCurrentMemberAssignmentKey() as key, ShareGroupCurrentMemberAssignmentValue() as value:
            group.members[key.member_id] = replace(
                _member(group, key.member_id),
                epoch=value.member_epoch,
                previous_epoch=value.previous_member_epoch,
                assigned=_read(value.assigned_partitions),
            )


def _member(group: ShareGroup, member_id: str) -> ShareMember:
    return group.members.get(member_id) or ShareMember(member_id)


def _read(written: Iterable[TopicPartition | TopicPartitions]) -> Assigned:
    return {topic.topic_id: frozenset(topic.partitions) for topic in written}
