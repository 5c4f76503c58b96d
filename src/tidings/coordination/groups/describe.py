"""ListGroups and DescribeGroups: what there is, for those who look from outside."""

from __future__ import annotations

from collections.abc import Iterator

from tidings.coordination.groups.group import CONSUMER_PROTOCOL_TYPE, Group
from tidings.coordination.groups.registry import Registry
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from tidings.wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

CLASSIC = "classic"
CONSUMER = "consumer"
SHARE = "share"
NOT_FOUND_IS_AN_ERROR_SINCE = 6
OPERATIONS_NOT_ASKED = -0x80000000
ALL_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
"""Read, delete, describe, describe configs, alter configs: what can be done to a group, as bits (AclOperation)."""


def list_groups(
    registry: Registry, request: ListGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    """v4 filters by state, v5 by type; case does not matter, and what does not exist matches nothing."""
    states = {state.lower() for state in request.states_filter}
    types = {kind.lower() for kind in request.types_filter}
    groups = [
        listed
        for listed in _listed(registry)
        if (not states or listed.group_state.lower() in states) and (not types or listed.group_type in types)
    ]
    outcome = Outcome()
    outcome.reply(ticket, ListGroupsResponse(groups=groups))
    return outcome


def _listed(registry: Registry) -> Iterator[ListedGroup]:
    for classic in registry.groups.values():
        yield ListedGroup(
            group_id=classic.group_id,
            protocol_type=classic.protocol_type or "",
            group_state=classic.state,
            group_type=CLASSIC,
        )
    for group in registry.consumer_groups.values():
        yield ListedGroup(
            group_id=group.group_id,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
            group_state=group.state,
            group_type=CONSUMER,
        )
    for shared in registry.share_groups.values():
        yield ListedGroup(group_id=shared.group_id, protocol_type=SHARE, group_state=shared.state, group_type=SHARE)


def describe_groups(
    registry: Registry, request: DescribeGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    """v3 authorised operations, v4 static members. Up to v5 a group that does not exist is Dead, then an error."""
    operations = ALL_OPERATIONS if request.include_authorized_operations else OPERATIONS_NOT_ASKED
    groups = []
    for group_id in request.groups:
        group = registry.groups.get(group_id)
        described = _absent(registry, group_id, client.api_version) if group is None else _described(group)
        described.authorized_operations = operations
        groups.append(described)
    outcome = Outcome()
    outcome.reply(ticket, DescribeGroupsResponse(groups=groups))
    return outcome


def _absent(registry: Registry, group_id: str, api_version: int) -> DescribedGroup:
    if api_version < NOT_FOUND_IS_AN_ERROR_SINCE:
        return DescribedGroup(group_id=group_id, group_state=GroupState.DEAD)
    return DescribedGroup(
        group_id=group_id,
        group_state=GroupState.DEAD,
        error_code=ErrorCode.GROUP_ID_NOT_FOUND,
        error_message=(
            f"Group {group_id} is not a classic group."
            if group_id in registry.consumer_groups or group_id in registry.share_groups
            else f"Group {group_id} not found."
        ),
    )


def _described(group: Group) -> DescribedGroup:
    """What the members said to each other is told only while they agree on it."""
    is_stable = group.state is GroupState.STABLE
    return DescribedGroup(
        group_id=group.group_id,
        group_state=group.state,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if is_stable else "",
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=group.metadata_of(member) if is_stable else b"",
                member_assignment=member.assignment if is_stable else b"",
            )
            for member in group.members.values()
        ],
    )
