"""Deadlines of members: to be heard of, and to have given up what they were told to give up."""

from __future__ import annotations

from tidings.coordination.groups.consumer.member import ConsumerMember, MemberState
from tidings.coordination.groups.registry import CONSUMER_REBALANCE, CONSUMER_SESSION, Registry


def expect_heartbeat(registry: Registry, group_id: str, member: ConsumerMember, monotonic_ms: int) -> None:
    """A member of the classic protocol has chosen the length of its session itself."""
    classic = member.classic
    timeout_ms = registry.consumer_session_timeout_ms(group_id) if classic is None else classic.session_timeout_ms
    registry.timers.set((CONSUMER_SESSION, group_id, member.member_id), monotonic_ms + timeout_ms)


def expect_revocation(registry: Registry, group_id: str, member: ConsumerMember, monotonic_ms: int) -> None:
    """From now on it has its rebalance timeout, if it has something to give up."""
    key = (CONSUMER_REBALANCE, group_id, member.member_id)
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        registry.timers.set(key, monotonic_ms + member.rebalance_timeout_ms)
    else:
        registry.timers.cancel(key)


def expect_sync(registry: Registry, group_id: str, member: ConsumerMember, monotonic_ms: int) -> None:
    """A classic member has joined: from now on it has its rebalance timeout to ask for its assignment."""
    key = (CONSUMER_REBALANCE, group_id, member.member_id)
    registry.timers.set(key, monotonic_ms + member.rebalance_timeout_ms)


def expect_join(registry: Registry, group_id: str, member: ConsumerMember, monotonic_ms: int) -> None:
    """A classic member was told to join again: it has its rebalance timeout from when it was told so first."""
    if registry.timers.get((CONSUMER_REBALANCE, group_id, member.member_id)) is None:
        expect_sync(registry, group_id, member, monotonic_ms)


def forget_revocation(registry: Registry, group_id: str, member_id: str) -> None:
    registry.timers.cancel((CONSUMER_REBALANCE, group_id, member_id))


def start(registry: Registry, monotonic_ms: int) -> None:
    """After a restart everyone has its whole time again."""
    for group in registry.consumer_groups.values():
        for member in group.members.values():
            expect_heartbeat(registry, group.group_id, member, monotonic_ms)
            expect_revocation(registry, group.group_id, member, monotonic_ms)
