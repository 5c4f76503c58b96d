"""A classic group becomes one of the consumer protocol while its members stay (KIP-848).

Its generation becomes the epoch of everyone. What a member was assigned, it has; what it said it owns beside that, it
was told to give up and has not confirmed: nobody is given that before it has. Its next heartbeat makes it join again,
now as a guest (see `mixed`).

A member that was in no generation yet has nothing to take along: it is turned away, and joins the new group.
"""

from __future__ import annotations

from tidings.coordination.groups import replies
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ClassicProtocols, ConsumerMember, MemberState
from tidings.coordination.groups.consumer.records import all_records
from tidings.coordination.groups.consumer_timeouts import expect_heartbeat, forget_revocation
from tidings.coordination.groups.embedded_protocol import ByName, read_assignment, read_subscription
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.records import group_key
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import Now, Outcome, Record
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import MalformedError

Owned = dict[bytes, dict[int, int]]


def can_be_upgraded(registry: Registry, classic: Group) -> bool:
    config = registry.config
    has_room = len(classic.members) <= config.consumer_members_max
    return config.allows_upgrade and classic.is_of_consumers and has_room


def upgraded(registry: Registry, classic: Group, now: Now) -> ConsumerGroup:
    """The new group. Raises ApiError GROUP_ID_NOT_FOUND if its members speak a dialect we do not know."""
    group = ConsumerGroup(classic.group_id)
    group.epoch = group.target_epoch = classic.generation
    group.target_wall_ms = now.wall_ms
    members = [member for member in classic.members.values() if not member.is_new]
    try:
        converted = [_converted(registry, classic, member) for member in members]
        for member in converted:
            _assign(registry, group, member, read_assignment(classic.members[member.member_id].assignment))
        for member in converted:
            _claim(registry, group, member)
    except MalformedError as error:
        message = f"Group {classic.group_id} cannot be upgraded: its consumers' protocol is malformed: {error}."
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, message) from None
    return group


def conversion(registry: Registry, group: ConsumerGroup, now: Now) -> list[Record]:
    """The records by which the classic group becomes `group`; its members are expected to be heard from."""
    for member in group.members.values():
        expect_heartbeat(registry, group.group_id, member, now.monotonic_ms)
        forget_revocation(registry, group.group_id, member.member_id)
    return [(group_key(group.group_id), None), *all_records(group)]


def turn_away(classic: Group, outcome: Outcome) -> None:
    """Who waits for the classic group's next generation joins again, and finds the new group."""
    for member in classic.members.values():
        replies.refuse_join(member, ErrorCode.REBALANCE_IN_PROGRESS, member.member_id, outcome)
        replies.let_sync(member, replies.not_synced(ErrorCode.REBALANCE_IN_PROGRESS), outcome)


def _converted(registry: Registry, classic: Group, member: Member) -> ConsumerMember:
    """Raises MalformedError."""
    offered = tuple(member.protocols.items())
    said = read_subscription(offered[0][1])
    return ConsumerMember(
        member.member_id,
        instance_id=member.instance_id,
        rack_id=said.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        topic_names=said.topics,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        epoch=classic.generation,
        previous_epoch=classic.generation,
        classic=ClassicProtocols(member.session_timeout_ms, offered),
    )


def _assign(registry: Registry, group: ConsumerGroup, member: ConsumerMember, assigned: ByName) -> None:
    """A leader may have given a partition to several: here the first of them has it."""
    owned = _owned(registry, group, assigned)
    group.put(member.at_epoch(group.epoch, MemberState.STABLE, owned))
    group.targets[member.member_id] = {topic_id: frozenset(partitions) for topic_id, partitions in owned.items()}


def _claim(registry: Registry, group: ConsumerGroup, member: ConsumerMember) -> None:
    """What it still reads of what nobody was assigned."""
    assert member.classic is not None
    revoking = _owned(registry, group, read_subscription(member.classic.metadata).owned)
    if revoking:
        assigned = group.members[member.member_id].assigned
        group.put(member.at_epoch(group.epoch, MemberState.UNREVOKED_PARTITIONS, assigned, revoking))


def _owned(registry: Registry, group: ConsumerGroup, named: ByName) -> Owned:
    """Of topics that exist, what is nobody's yet."""
    found: Owned = {}
    for name in sorted(named):
        topic_id = registry.topics.topic_id(name)
        for partition in sorted(named[name]):
            is_there = 0 <= partition < registry.topics.partition_count(name)
            if is_there and (topic_id, partition) not in group.owners:
                found.setdefault(topic_id, {})[partition] = group.epoch
    return found
