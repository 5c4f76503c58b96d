"""SyncGroup to a group of the consumer protocol: what the member has, as its step left it."""

from __future__ import annotations

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import MemberState, each_partition
from tidings.coordination.groups.consumer_timeouts import expect_heartbeat, expect_join, forget_revocation
from tidings.coordination.groups.downgrade import named
from tidings.coordination.groups.embedded_protocol import assignment, version_of
from tidings.coordination.groups.group import CONSUMER_PROTOCOL_TYPE
from tidings.coordination.groups.mixed.heartbeat import classic_member
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import Now
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse


def sync_with_consumers(
    registry: Registry, group: ConsumerGroup, request: SyncGroupRequest, now: Now
) -> SyncGroupResponse:
    """Raises ApiError. While it is told to give up partitions, it may do that first, though more has changed since."""
    member, classic = classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
    if request.protocol_type not in (None, CONSUMER_PROTOCOL_TYPE) or request.protocol_name not in (None, classic.name):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.epoch > member.epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        expect_join(registry, group.group_id, member, now.monotonic_ms)
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)
    forget_revocation(registry, group.group_id, member.member_id)
    expect_heartbeat(registry, group.group_id, member, now.monotonic_ms)
    return SyncGroupResponse(
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=classic.name,
        assignment=assignment(named(each_partition(member.assigned), registry.topics), version_of(classic.metadata)),
    )
