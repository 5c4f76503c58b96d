"""Heartbeat to a group of the consumer protocol: "join again", if there is a step to take."""

from __future__ import annotations

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ClassicProtocols, ConsumerMember, MemberState, each_partition
from tidings.coordination.groups.consumer_timeouts import expect_heartbeat, expect_join
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import Now
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.heartbeat import HeartbeatRequest


def hear_beside_consumers(registry: Registry, group: ConsumerGroup, request: HeartbeatRequest, now: Now) -> None:
    """Raises ApiError REBALANCE_IN_PROGRESS, or what `classic_member` does."""
    member, _ = classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
    expect_heartbeat(registry, group.group_id, member, now.monotonic_ms)
    if _has_a_step_to_take(group, member):
        expect_join(registry, group.group_id, member, now.monotonic_ms)
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)


def classic_member(
    group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int
) -> tuple[ConsumerMember, ClassicProtocols]:
    """Raises ApiError UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION."""
    member = group.member(member_id, instance_id)
    if member.classic is None:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.epoch != generation:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    return member, member.classic


def _has_a_step_to_take(group: ConsumerGroup, member: ConsumerMember) -> bool:
    if member.epoch < group.epoch or member.state is MemberState.UNREVOKED_PARTITIONS:
        return True
    target = group.targets.get(member.member_id, {})
    return member.state is MemberState.UNRELEASED_PARTITIONS and all(
        group.owners.get(partition) in (None, member.member_id) for partition in each_partition(target)
    )
