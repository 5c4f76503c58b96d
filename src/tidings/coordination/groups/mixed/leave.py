"""LeaveGroup to a group of the consumer protocol: classic members go, and whoever an operator sends away by its
group.instance.id."""

from __future__ import annotations

from collections.abc import Iterable

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ConsumerMember
from tidings.coordination.groups.consumer_leave import removed
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import Now, Record
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.leave_group import MemberIdentity


def leave_consumers(
    registry: Registry, group: ConsumerGroup, identities: Iterable[MemberIdentity], now: Now, records: list[Record]
) -> list[ErrorCode]:
    """What becomes of each; `records` gets what comes of it."""
    codes = []
    leaving: dict[str, ConsumerMember] = {}
    for identity in identities:
        try:
            member = _leaving(group, identity)
            if member.member_id in leaving:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            leaving[member.member_id] = member
            codes.append(ErrorCode.NONE)
        except ApiError as error:
            codes.append(error.code)
    if leaving:
        records += removed(registry, group, list(leaving.values()), now)
    return codes


def _leaving(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerMember:
    instance_id = identity.group_instance_id
    if not identity.member_id and instance_id is not None:
        return group.member(group.static_ids.get(instance_id, ""))
    member = group.member(identity.member_id, instance_id)
    if member.classic is None:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    return member
