"""JoinGroup to a group of the consumer protocol: answered at once, there is nobody to wait for.

Ids that were given with MEMBER_ID_REQUIRED are not remembered: who comes with one is let in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tidings.coordination.groups import downgrade
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ClassicProtocols, ConsumerMember
from tidings.coordination.groups.consumer.reconcile import Reported
from tidings.coordination.groups.consumer_join import Joined, static_again
from tidings.coordination.groups.consumer_step import Step
from tidings.coordination.groups.consumer_timeouts import expect_heartbeat, expect_sync
from tidings.coordination.groups.embedded_protocol import Subscription, read_subscription
from tidings.coordination.groups.group import CONSUMER_PROTOCOL_TYPE
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.replies import MEMBER_ID_REQUIRED_SINCE, not_joined
from tidings.coordination.outcome import ClientInfo, Now, Record
from tidings.coordination.topics import TopicDirectory
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from tidings.wire.primitives import MalformedError


class Guest(NamedTuple):
    """A JoinGroup request, read."""

    request: JoinGroupRequest
    client: ClientInfo
    protocols: dict[str, bytes]
    rebalance_timeout_ms: int


def join_consumers(
    registry: Registry, group: ConsumerGroup, guest: Guest, now: Now, records: list[Record]
) -> JoinGroupResponse:
    """The reply; `records` gets what comes of it. Raises ApiError."""
    request, client = guest.request, guest.client
    _check_room(registry, group, request)
    said = _subscription(group, guest)
    member_id = request.member_id or registry.new_member_id(client.client_id, request.group_instance_id)
    is_dynamic = request.group_instance_id is None
    if not request.member_id and is_dynamic and client.api_version >= MEMBER_ID_REQUIRED_SINCE:
        return not_joined(ErrorCode.MEMBER_ID_REQUIRED, member_id, client.api_version)
    joined = _member_for(group, member_id, request)
    member = _subscribed(joined.member, guest, said)
    member = Step(registry, group, client, now, records).taken(joined, member, _reported(said, registry.topics))
    expect_heartbeat(registry, group.group_id, member, now.monotonic_ms)
    expect_sync(registry, group.group_id, member, now.monotonic_ms)
    others = [m for m in group.members.values() if m.member_id not in (member.member_id, joined.replaced_id)]
    if downgrade.is_due(registry, [*others, member]):
        downgrade.soon(registry, group.group_id, now)
    return JoinGroupResponse(
        generation_id=member.epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=next(iter(guest.protocols)),
        leader="",
        member_id=member.member_id,
    )


def _check_room(registry: Registry, group: ConsumerGroup, request: JoinGroupRequest) -> None:
    is_known = request.member_id in group.members or request.group_instance_id in group.static_ids
    if not is_known and len(group.members) >= registry.config.consumer_members_max:
        raise ApiError(ErrorCode.GROUP_MAX_SIZE_REACHED)


def _subscription(group: ConsumerGroup, guest: Guest) -> Subscription:
    """Raises ApiError INCONSISTENT_GROUP_PROTOCOL if it shares no assignor with the other guests."""
    if guest.request.protocol_type != CONSUMER_PROTOCOL_TYPE or not guest.protocols:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    common = set(guest.protocols)
    for other in group.members.values():
        if other.classic is not None and other.member_id != guest.request.member_id:
            common.intersection_update(name for name, _ in other.classic.offered)
    if not common:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    try:
        return read_subscription(next(iter(guest.protocols.values())))
    except MalformedError:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL) from None


def _member_for(group: ConsumerGroup, member_id: str, request: JoinGroupRequest) -> Joined:
    instance_id = request.group_instance_id
    if instance_id is not None and not request.member_id and instance_id in group.static_ids:
        return static_again(group, group.static_ids[instance_id], instance_id, member_id, is_classic=True)
    if instance_id is not None and request.member_id:
        return Joined(group.member(member_id, instance_id))
    known = group.members.get(member_id)
    return Joined(ConsumerMember(member_id, instance_id), is_new=True) if known is None else Joined(known)


def _subscribed(member: ConsumerMember, guest: Guest, said: Subscription) -> ConsumerMember:
    return replace(
        member,
        rack_id=said.rack_id,
        client_id=guest.client.client_id,
        client_host=guest.client.host,
        topic_names=said.topics,
        topic_regex=None,
        rebalance_timeout_ms=guest.rebalance_timeout_ms,
        server_assignor=None,
        classic=ClassicProtocols(guest.request.session_timeout_ms, tuple(guest.protocols.items())),
    )


def _reported(said: Subscription, topics: TopicDirectory) -> Reported:
    return {topics.topic_id(name): partitions for name, partitions in said.owned.items()}
