"""How members go: by themselves, for a while (static ones), or because they were not heard of in time."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.coordination.groups import downgrade
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import STATIC_LEAVE_EPOCH, ConsumerMember, MemberState
from tidings.coordination.groups.consumer.records import (
    assignment_record,
    epoch_record,
    member_tombstones,
    regex_tombstone,
)
from tidings.coordination.groups.consumer.topics import metadata_hash, subscribed_names
from tidings.coordination.groups.consumer_timeouts import (
    expect_heartbeat,
    expect_revocation,
    expect_sync,
    forget_revocation,
)
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import Now, Record
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest


def leave(registry: Registry, request: ConsumerGroupHeartbeatRequest, now: Now) -> list[Record]:
    """Raises ApiError if it is no member."""
    group = registry.consumer_groups.get(request.group_id)
    if group is None:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {request.group_id} not found.")
    member = group.member(request.member_id, request.instance_id)
    if request.member_epoch != STATIC_LEAVE_EPOCH:
        return removed(registry, group, [member], now)
    forget_revocation(registry, group.group_id, member.member_id)
    away = member.at_epoch(STATIC_LEAVE_EPOCH, MemberState.STABLE, member.assigned)
    return [assignment_record(group.group_id, away)]


def removed(registry: Registry, group: ConsumerGroup, leaving: Sequence[ConsumerMember], now: Now) -> list[Record]:
    """Take members out. What they had is shared out at the next heartbeat of another: the group's epoch rises.

    If only members of the classic protocol stay, the group becomes a classic one soon. Deadlines stay: should the
    records fail to be written, it is tried again, and else they find nobody.
    """
    gone = {member.member_id for member in leaving}
    others = [other for other in group.members.values() if other.member_id not in gone]
    records = [record for member_id in gone for record in member_tombstones(group.group_id, member_id)]
    unread = {member.topic_regex for member in leaving} - {other.topic_regex for other in others}
    records += [regex_tombstone(group.group_id, regex) for regex in sorted(filter(None, unread))]
    if downgrade.is_due(registry, others):
        downgrade.soon(registry, group.group_id, now)
    names = frozenset[str]().union(*(subscribed_names(other, group.regexes) for other in others))
    digest = metadata_hash(names, registry.topics)
    records.append(epoch_record(group.group_id, group.epoch + 1, digest))
    return records


def session_is_over(registry: Registry, group_id: str, member_id: str, now: Now) -> list[Record]:
    """No heartbeat has come for too long."""
    group = registry.consumer_groups.get(group_id)
    member = group.members.get(member_id) if group is not None else None
    if group is None or member is None:
        return []
    expect_heartbeat(registry, group_id, member, now.monotonic_ms)
    return removed(registry, group, [member], now)


def revocation_is_late(registry: Registry, group_id: str, member_id: str, now: Now) -> list[Record]:
    """It was to give up partitions that others wait for, and did not say that it has.

    Or it speaks the classic protocol, and did not join again, or ask for its assignment, in time.
    """
    group = registry.consumer_groups.get(group_id)
    member = group.members.get(member_id) if group is not None else None
    if group is None or member is None:
        return []
    if member.classic is not None:
        expect_sync(registry, group_id, member, now.monotonic_ms)
    elif member.state is MemberState.UNREVOKED_PARTITIONS:
        expect_revocation(registry, group_id, member, now.monotonic_ms)
    else:
        return []
    return removed(registry, group, [member], now)
