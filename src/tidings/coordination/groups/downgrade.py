"""A group of the consumer protocol becomes a classic one when the last member that speaks that protocol is gone.

It is done soon after, by a deadline that comes due at once: what it takes over is then the state after the last one
left, however that came about, and a restart in between changes nothing. The classic group is recorded at rest, without
a leader; a second such deadline has its members join again, and they learn of it by their heartbeats.

Its generation is the highest epoch of its members, so that those who have come so far may go on until they join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ConsumerMember
from tidings.coordination.groups.consumer.records import group_tombstones
from tidings.coordination.groups.embedded_protocol import ByName, assignment, version_of
from tidings.coordination.groups.group import CONSUMER_PROTOCOL_TYPE, Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.records import group_record
from tidings.coordination.groups.registry import DOWNGRADE, LEADERLESS, Registry
from tidings.coordination.outcome import Now, Record
from tidings.coordination.topics import TopicDirectory

RETRY_MS = 5_000
"""Should the records fail to be written, it is tried again."""


def is_due(registry: Registry, members: Collection[ConsumerMember]) -> bool:
    """Whether a group with these members is to be a classic one."""
    config = registry.config
    if not members or not config.allows_downgrade or len(members) > config.members_max:
        return False
    return all(member.classic is not None for member in members)


def soon(registry: Registry, group_id: str, now: Now) -> None:
    """See to it whether the group is to be a classic one, once what is decided now has come to be."""
    registry.timers.set((DOWNGRADE, group_id), now.monotonic_ms)


def downgraded(registry: Registry, group_id: str, now: Now) -> list[Record]:
    """The records by which it becomes one; none if there is no cause."""
    group = registry.consumer_groups.get(group_id)
    if group is None or not is_due(registry, group.members.values()):
        return []
    registry.timers.set((DOWNGRADE, group_id), now.monotonic_ms + RETRY_MS)
    registry.timers.set((LEADERLESS, group_id), now.monotonic_ms)
    classic = _classic(registry, group, now)
    return [
        *group_tombstones(group),
        group_record(classic, {m.member_id: m.assignment for m in classic.members.values()}),
    ]


def _classic(registry: Registry, group: ConsumerGroup, now: Now) -> Group:
    classic = Group(group.group_id)
    for member in group.members.values():
        taken_over = _member(member, registry.topics)
        classic.add(taken_over, CONSUMER_PROTOCOL_TYPE)
        registry.expect_heartbeat(classic, taken_over, now.monotonic_ms)
    classic.generation = max(member.epoch for member in group.members.values())
    classic.protocol_name = classic.vote()
    classic.leader_id = None
    classic.state_since_wall_ms = now.wall_ms
    return classic


def _member(member: ConsumerMember, topics: TopicDirectory) -> Member:
    assert member.classic is not None
    return Member(
        member.member_id,
        member.instance_id,
        member.client_id,
        member.client_host,
        member.rebalance_timeout_ms,
        member.classic.session_timeout_ms,
        dict(member.classic.offered),
        assignment(named(member.owned(), topics), version_of(member.classic.metadata)),
    )


def named(owned: Iterable[tuple[bytes, int]], topics: TopicDirectory) -> ByName:
    """Of topics that still exist."""
    found: ByName = {}
    for topic_id, partition in owned:
        name = topics.topic_name(topic_id)
        if name is not None:
            found.setdefault(name, set()).add(partition)
    return found
