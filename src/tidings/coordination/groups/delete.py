"""What ends: groups that are deleted, offsets of topics that are gone, offsets nobody has needed for a week."""

from __future__ import annotations

from collections.abc import Iterator

from tidings.coordination.groups.consumer.group import ConsumerGroup, ConsumerGroupState
from tidings.coordination.groups.consumer.records import group_tombstones
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.offsets import NO_EXPIRY, Committed
from tidings.coordination.groups.pending_offsets import Place
from tidings.coordination.groups.records import group_key, offset_record
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.share.group import ShareGroup, ShareGroupState
from tidings.coordination.groups.share.records import group_tombstones as share_tombstones
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Record, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse

AnyGroup = Group | ConsumerGroup


def delete_groups(
    registry: Registry, request: DeleteGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    """DeleteGroups: only a group without members can be deleted; its offsets go with it."""
    outcome = Outcome()
    results = []
    for group_id in dict.fromkeys(request.groups_names):
        try:
            shared = registry.share_groups.get(group_id)
            group = registry.consumer_groups.get(group_id) or shared or registry.group(group_id)
            if group.state not in (GroupState.EMPTY, ConsumerGroupState.EMPTY, ShareGroupState.EMPTY):
                raise ApiError(ErrorCode.NON_EMPTY_GROUP)
            if isinstance(group, ShareGroup):
                outcome.records.extend(share_tombstones(group))
            else:
                outcome.records.extend(_tombstones(registry, group))
            code = ErrorCode.NONE
        except ApiError as error:
            code = error.code
        results.append(DeletableGroupResult(group_id=group_id, error_code=code))
    outcome.reply(ticket, DeleteGroupsResponse(results=results))
    return outcome


def _tombstones(registry: Registry, group: AnyGroup) -> Iterator[Record]:
    for topic, partition, _ in registry.offsets.of_group(group.group_id):
        yield offset_record(group.group_id, topic, partition, None)
    for place in registry.pending:
        if place.group_id == group.group_id:
            yield offset_record(*place, None)
    yield from _own_tombstones(group)


def _own_tombstones(group: AnyGroup) -> list[Record]:
    return [(group_key(group.group_id), None)] if isinstance(group, Group) else group_tombstones(group)


def drop_topics(registry: Registry, names: frozenset[str]) -> Outcome:
    """The topics are gone: a new one of the same name starts with no offsets."""
    outcome = Outcome()
    for group_id in registry.offsets.groups():
        for topic, partition, _ in registry.offsets.of_group(group_id):
            if topic in names:
                outcome.records.append(offset_record(group_id, topic, partition, None))
    outcome.records.extend(offset_record(*place, None) for place in registry.pending if place.topic in names)
    return outcome


def drop_orphans(registry: Registry) -> Outcome:
    """What a crash between the deletion of a topic and that of its offsets left behind."""
    outcome = Outcome()
    for group_id in registry.offsets.groups():
        for topic, partition, committed in registry.offsets.of_group(group_id):
            known_id = registry.topics.topic_id(topic)
            if known_id == NULL_UUID or committed.topic_id not in (NULL_UUID, known_id):
                outcome.records.append(offset_record(group_id, topic, partition, None))
    return outcome


def expire_offsets(registry: Registry, now: Now) -> Outcome:
    """Take back offsets whose retention is over, and groups of which nothing is left then (KIP-211).

    The retention counts from when the group lost its last member; for topics that a group with members no longer
    reads, for consumers that assign themselves their partitions, and for groups of the consumer protocol, from the
    commit.
    """
    outcome = Outcome()
    groups: list[AnyGroup] = [*registry.groups.values(), *registry.consumer_groups.values()]
    for group in groups:
        expired = [
            (topic, partition)
            for topic, partition, committed in registry.offsets.of_group(group.group_id)
            if _is_expired(registry, group, topic, committed, now.wall_ms)
            and Place(group.group_id, topic, partition) not in registry.pending
        ]
        count = sum(1 for _ in registry.offsets.of_group(group.group_id))
        outcome.records.extend(offset_record(group.group_id, *where, None) for where in expired)
        if group.is_idle and len(expired) == count and not registry.pending.has_group(group.group_id):
            outcome.records.extend(_own_tombstones(group))
    return outcome


def _is_expired(registry: Registry, group: AnyGroup, topic: str, committed: Committed, wall_ms: int) -> bool:
    if group.is_subscribed_to(topic):
        return False
    if isinstance(group, ConsumerGroup) or group.protocol_type is None:
        since_ms = committed.committed_wall_ms
    elif group.state is GroupState.EMPTY:
        known = group.state_since_wall_ms >= 0
        since_ms = group.state_since_wall_ms if known else committed.committed_wall_ms
    elif group.state is GroupState.STABLE and group.subscribed is not None:
        since_ms = committed.committed_wall_ms
    else:
        return False
    if committed.expires_wall_ms != NO_EXPIRY:
        return wall_ms >= committed.expires_wall_ms
    return wall_ms - since_ms >= registry.config.offsets_retention_ms
