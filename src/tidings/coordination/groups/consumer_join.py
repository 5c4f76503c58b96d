"""Which group and which member a heartbeat is of: one that is there, a new one, or one that takes another's place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tidings.coordination.groups import upgrade
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import JOIN_EPOCH, ConsumerMember, each_partition
from tidings.coordination.groups.consumer.records import member_tombstones, target_record
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.records import group_key
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import Now, Record
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest

FENCED_HINT = "The member must abandon all its partitions and rejoin."


@dataclass(slots=True)
class Joined:
    """The member as it is before the heartbeat, and the records by which it has come to be so."""

    member: ConsumerMember
    is_new: bool = False
    replaced_id: str | None = None
    """Of the static member whose place it takes."""
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """The group that is joined, and the records that make room for it."""

    group: ConsumerGroup
    records: list[Record] = field(default_factory=list)
    upgraded: Group | None = None
    """The classic group whose members it takes over."""


def group_for(registry: Registry, request: ConsumerGroupHeartbeatRequest, now: Now) -> Found:
    """One of the classic protocol makes way if nobody is in it, and else is upgraded if it can be.

    Raises ApiError GROUP_ID_NOT_FOUND.
    """
    group_id = request.group_id
    registry.check_not_shared(group_id)
    group = registry.consumer_groups.get(group_id)
    if group is not None:
        return Found(group)
    if request.member_epoch != JOIN_EPOCH:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
    classic = registry.groups.get(group_id)
    if classic is not None and classic.state is not GroupState.EMPTY:
        if not upgrade.can_be_upgraded(registry, classic):
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
        group = upgrade.upgraded(registry, classic, now)
        return Found(group, upgrade.conversion(registry, group, now), classic)
    is_recorded = classic is not None and classic.recorded is not None
    return Found(ConsumerGroup(group_id), [(group_key(group_id), None)] if is_recorded else [])


def member_for(registry: Registry, group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest) -> Joined:
    """Raises ApiError for one that has no place in the group, or not with this epoch."""
    is_joining = request.member_epoch == JOIN_EPOCH
    instance_id = request.instance_id
    if is_joining and instance_id is not None and instance_id in group.static_ids:
        return static_again(group, group.static_ids[instance_id], instance_id, request.member_id, is_classic=False)
    if is_joining and request.member_id not in group.members:
        if len(group.members) >= registry.config.consumer_members_max:
            limit = registry.config.consumer_members_max
            message = f"The consumer group has reached its maximum capacity of {limit} members."
            raise ApiError(ErrorCode.GROUP_MAX_SIZE_REACHED, message)
        return Joined(ConsumerMember(request.member_id or registry.new_id(), instance_id), is_new=True)
    member = group.member(request.member_id, None if is_joining else instance_id)
    if not is_joining:
        _check_epoch(member, request)
    return Joined(member)


def static_again(
    group: ConsumerGroup, current_id: str, instance_id: str, member_id: str, *, is_classic: bool
) -> Joined:
    """A static member is back, perhaps as another process with another id: it goes on with what it was to have.

    In the classic protocol nobody says that he is away for a while: who comes takes the place.
    """
    current = group.members[current_id]
    if member_id == current_id and not current.is_away:
        return Joined(current)  # it has not heard our answer, or was fenced
    if not current.is_away and current.classic is None and not is_classic:
        raise ApiError(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group "
            f"because the instance id is owned by member {current_id}.",
        )
    member = replace(current, member_id=member_id, epoch=JOIN_EPOCH, previous_epoch=JOIN_EPOCH)
    if member_id == current_id:
        return Joined(member)
    group_id = group.group_id
    records = member_tombstones(group_id, current_id)
    records.append(target_record(group_id, member.member_id, group.targets.get(current_id, {})))
    return Joined(member, replaced_id=current_id, records=records)


def _check_epoch(member: ConsumerMember, request: ConsumerGroupHeartbeatRequest) -> None:
    epoch = request.member_epoch
    if epoch == member.epoch:
        return
    if epoch == member.previous_epoch and epoch < member.epoch and _has_no_more_than(member, request):
        return  # it has not heard of its new epoch
    relation = "greater" if epoch > member.epoch else "smaller"
    raise ApiError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {relation} member epoch ({epoch}) than the one known by the group "
        f"coordinator ({member.epoch}). {FENCED_HINT}",
    )


def _has_no_more_than(member: ConsumerMember, request: ConsumerGroupHeartbeatRequest) -> bool:
    """Whether all it says it has is its own. It has to say it."""
    if request.topic_partitions is None:
        return False
    reported = {t.topic_id: t.partitions for t in request.topic_partitions}
    return all(partition in member.assigned.get(topic, ()) for topic, partition in each_partition(reported))
