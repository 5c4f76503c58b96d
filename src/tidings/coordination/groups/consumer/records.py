"""The records of a group of the consumer protocol, in Kafka's own format, and their replay.

Kinds of keys: 3 the group's epoch, 4 the topics it reads (written by Kafka before 4.1; replaced by a hash in 3), 5 what
a member subscribes to, 6 the epoch of the target assignment, 7 a member's target, 8 what a member has, 16 what a
regular expression stands for. A key without a value takes back what was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tidings.coordination.groups.consumer.group import NO_ASSIGNMENT_EPOCH, ConsumerGroup, ResolvedRegex
from tidings.coordination.groups.consumer.member import (
    LEAVE_EPOCH,
    ClassicProtocols,
    ConsumerMember,
    MemberState,
    Owned,
    Target,
)
from tidings.coordination.groups.record_kinds import RecordKinds
from tidings.coordination.outcome import Record
from tidings.errors import DiskError
from tidings.wire.message import Message
from tidings.wire.messages.consumer_group_records import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
    TopicPartition,
    TopicPartitions,
)

CONSUMER_RECORDS = RecordKinds(
    {
        3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
        4: (ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
        5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
        6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
        7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
        8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
        16: (ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
    }
)
_key = CONSUMER_RECORDS.key
_value = CONSUMER_RECORDS.value


# --- writing ---


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> Record:
    value = ConsumerGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash)
    return _key(ConsumerGroupMetadataKey(group_id=group_id)), _value(value)


def member_record(group_id: str, member: ConsumerMember) -> Record:
    value = ConsumerGroupMemberMetadataValue(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.server_assignor,
        classic_member_metadata=_written_classic(member.classic),
    )
    return _member_key(group_id, member.member_id), _value(value)


def target_epoch_record(group_id: str, epoch: int, wall_ms: int) -> Record:
    value = ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=wall_ms)
    return _key(ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id)), _value(value)


def target_record(group_id: str, member_id: str, target: Target) -> Record:
    parts = [TopicPartition(topic_id=topic, partitions=sorted(target[topic])) for topic in sorted(target)]
    return _target_key(group_id, member_id), _value(ConsumerGroupTargetAssignmentMemberValue(topic_partitions=parts))


def assignment_record(group_id: str, member: ConsumerMember) -> Record:
    value = ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=member.state,
        assigned_partitions=_written(member.assigned),
        partitions_pending_revocation=_written(member.revoking),
    )
    return _assignment_key(group_id, member.member_id), _value(value)


def regex_record(group_id: str, regex: str, resolved: ResolvedRegex) -> Record:
    value = ConsumerGroupRegularExpressionValue(
        topics=sorted(resolved.topics), version=resolved.version, timestamp=resolved.wall_ms
    )
    return _regex_key(group_id, regex), _value(value)


def regex_tombstone(group_id: str, regex: str) -> Record:
    return _regex_key(group_id, regex), None


def member_tombstones(group_id: str, member_id: str) -> list[Record]:
    """First what it has, then what it was to have, then itself: in Kafka's order, which its replay insists on."""
    return [
        (_assignment_key(group_id, member_id), None),
        (_target_key(group_id, member_id), None),
        (_member_key(group_id, member_id), None),
    ]


def group_tombstones(group: ConsumerGroup) -> list[Record]:
    group_id = group.group_id
    return [
        *(record for member_id in group.members for record in member_tombstones(group_id, member_id)),
        *(regex_tombstone(group_id, regex) for regex in group.regexes),
        (_key(ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id)), None),
        (_key(ConsumerGroupMetadataKey(group_id=group_id)), None),
    ]


def all_records(group: ConsumerGroup) -> Iterator[Record]:
    """All that lasts of the group. It may change between two records: each shows it as it is when asked for."""
    group_id = group.group_id
    yield epoch_record(group_id, group.epoch, group.metadata_hash)
    for member_id in list(group.members):
        if member_id in group.members:
            yield member_record(group_id, group.members[member_id])
    for regex in list(group.regexes):
        if regex in group.regexes:
            yield regex_record(group_id, regex, group.regexes[regex])
    if group.target_epoch != NO_ASSIGNMENT_EPOCH:
        yield target_epoch_record(group_id, group.target_epoch, group.target_wall_ms)
    for member_id in list(group.targets):
        if member_id in group.targets:
            yield target_record(group_id, member_id, group.targets[member_id])
    for member_id in list(group.members):
        if member_id in group.members:
            yield assignment_record(group_id, group.members[member_id])


def _member_key(group_id: str, member_id: str) -> bytes:
    return _key(ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member_id))


def _target_key(group_id: str, member_id: str) -> bytes:
    return _key(ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id))


def _assignment_key(group_id: str, member_id: str) -> bytes:
    return _key(ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id))


def _regex_key(group_id: str, regex: str) -> bytes:
    return _key(ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex))


def _written_classic(classic: ClassicProtocols | None) -> ClassicMemberMetadata | None:
    if classic is None:
        return None
    return ClassicMemberMetadata(
        session_timeout_ms=classic.session_timeout_ms,
        supported_protocols=[ClassicProtocol(name=name, metadata=metadata) for name, metadata in classic.offered],
    )


def _written(owned: Owned) -> list[TopicPartitions]:
    return [
        TopicPartitions(
            topic_id=topic,
            partitions=sorted(partitions),
            assignment_epochs=[partitions[partition] for partition in sorted(partitions)],
        )
        for topic, partitions in sorted(owned.items())
        if partitions
    ]


# --- reading ---


def replay(group: ConsumerGroup, at: Message, said: Message | None) -> None:
    """Do what a record with a value says, or take back what one of its members, targets or expressions was."""
    match at, said:
        case ConsumerGroupMetadataKey(), ConsumerGroupMetadataValue() as value:
            group.epoch, group.metadata_hash = value.epoch, value.metadata_hash
        case ConsumerGroupTargetAssignmentMetadataKey(), ConsumerGroupTargetAssignmentMetadataValue() as value:
            group.target_epoch, group.target_wall_ms = value.assignment_epoch, value.assignment_timestamp
        case ConsumerGroupTargetAssignmentMetadataKey(), None:
            group.target_epoch, group.target_wall_ms = NO_ASSIGNMENT_EPOCH, 0
        case ConsumerGroupMemberMetadataKey() as key, None:
            group.remove(key.member_id)
        case ConsumerGroupMemberMetadataKey() as key, ConsumerGroupMemberMetadataValue() as value:
            group.put(_subscribed(_member(group, key.member_id), value))
        case ConsumerGroupTargetAssignmentMemberKey() as key, None:
            group.targets.pop(key.member_id, None)
        case ConsumerGroupTargetAssignmentMemberKey() as key, ConsumerGroupTargetAssignmentMemberValue() as value:
            group.targets[key.member_id] = {t.topic_id: frozenset(t.partitions) for t in value.topic_partitions}
        case ConsumerGroupCurrentMemberAssignmentKey() as key, None:
            if key.member_id in group.members:
                group.put(_member(group, key.member_id).at_epoch(LEAVE_EPOCH, MemberState.STABLE, {}))
        case ConsumerGroupCurrentMemberAssignmentKey() as key, ConsumerGroupCurrentMemberAssignmentValue() as value:
            group.put(_assigned(_member(group, key.member_id), value))
        case ConsumerGroupRegularExpressionKey() as key, None:
            group.regexes.pop(key.regular_expression, None)
        case ConsumerGroupRegularExpressionKey() as key, ConsumerGroupRegularExpressionValue() as value:
            resolved = ResolvedRegex(frozenset(value.topics), value.version, value.timestamp)
            group.regexes[key.regular_expression] = resolved


def _member(group: ConsumerGroup, member_id: str) -> ConsumerMember:
    return group.members.get(member_id) or ConsumerMember(member_id)


def _subscribed(member: ConsumerMember, value: ConsumerGroupMemberMetadataValue) -> ConsumerMember:
    return replace(
        member,
        instance_id=value.instance_id,
        rack_id=value.rack_id,
        client_id=value.client_id,
        client_host=value.client_host,
        topic_names=frozenset(value.subscribed_topic_names),
        topic_regex=value.subscribed_topic_regex,
        rebalance_timeout_ms=value.rebalance_timeout_ms,
        server_assignor=value.server_assignor,
        classic=_read_classic(value.classic_member_metadata),
    )


def _read_classic(written: ClassicMemberMetadata | None) -> ClassicProtocols | None:
    if written is None:
        return None
    offered = tuple((protocol.name, bytes(protocol.metadata)) for protocol in written.supported_protocols)
    return ClassicProtocols(written.session_timeout_ms, offered)


def _assigned(member: ConsumerMember, value: ConsumerGroupCurrentMemberAssignmentValue) -> ConsumerMember:
    try:
        state = MemberState(value.state)
    except ValueError:
        raise DiskError(f"a member of a consumer group is in state {value.state}, which is unknown here") from None
    return replace(
        member,
        epoch=value.member_epoch,
        previous_epoch=value.previous_member_epoch,
        state=state,
        assigned=_read(value.assigned_partitions, value.member_epoch),
        revoking=_read(value.partitions_pending_revocation, value.member_epoch),
    )


def _read(written: Iterable[TopicPartitions], member_epoch: int) -> Mapping[bytes, dict[int, int]]:
    """Kafka before 4.3 did not note since when a member has a partition: then, since its epoch."""
    return {
        t.topic_id: dict(zip(t.partitions, t.assignment_epochs or [member_epoch] * len(t.partitions), strict=True))
        for t in written
    }
