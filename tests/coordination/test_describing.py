"""What is told to those who look from outside, and what to all when the log cannot be written."""

from __future__ import annotations

import pytest
from tests.coordination.harness import GROUP, Cluster, join_request, over_the_wire, subscription

from tidings.coordination.groups.refusals import refusal
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.describe_groups import DescribeGroupsRequest
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.leave_group import LeaveGroupRequest
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.offset_delete import OffsetDeleteRequest
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic
from tidings.wire.messages.sync_group import SyncGroupRequest


def listed(cluster: Cluster, states: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> list[str]:
    request = ListGroupsRequest(states_filter=list(states), types_filter=list(types))
    return [group.group_id for group in cluster.ask("list", request, 5).groups]


def test_groups_are_listed_by_state_and_type(cluster: Cluster) -> None:
    cluster.stable({})
    cluster.commit({("orders", 0): 1}, group_id="lone")
    assert listed(cluster) == [GROUP, "lone"]
    assert listed(cluster, states=("stable",)) == [GROUP]
    assert listed(cluster, states=("Empty", "Dead")) == ["lone"]
    assert listed(cluster, types=("Classic",)) == [GROUP, "lone"]
    assert listed(cluster, types=("consumer",)) == listed(cluster, states=("no such state",)) == []


def test_the_list_says_what_each_group_is(cluster: Cluster) -> None:
    cluster.stable({})
    (group,) = cluster.ask("list", ListGroupsRequest(), 5).groups
    assert (group.protocol_type, group.group_state, group.group_type) == ("consumer", "Stable", "classic")


def test_a_stable_group_is_described_with_all_its_members_said(cluster: Cluster) -> None:
    leader, follower = cluster.stable({}, {"instance_id": "shelf-1"})
    (group,) = cluster.ask("describe", DescribeGroupsRequest(groups=[GROUP]), 6).groups
    assert (group.group_state, group.protocol_type, group.protocol_data) == ("Stable", "consumer", "range")
    by_id = {member.member_id: member for member in group.members}
    assert by_id.keys() == {leader.member_id, follower.member_id}
    member = by_id[follower.member_id]
    assert (member.group_instance_id, member.client_id, member.client_host) == ("shelf-1", "app", "/127.0.0.1")
    assert bytes(member.member_metadata) == subscription("orders")
    assert bytes(member.member_assignment) == follower.member_id.encode()


def test_of_a_group_on_the_move_only_the_members_are_told(cluster: Cluster) -> None:
    leader, _ = cluster.stable({}, {})
    cluster.join(leader.member_id)
    (group,) = cluster.ask("describe", DescribeGroupsRequest(groups=[GROUP]), 5).groups
    assert (group.group_state, group.protocol_data) == ("PreparingRebalance", "")
    assert {(bytes(m.member_metadata), bytes(m.member_assignment)) for m in group.members} == {(b"", b"")}


def test_a_group_nobody_knows_is_dead_and_later_an_error(cluster: Cluster) -> None:
    request = DescribeGroupsRequest(groups=["nobody"])
    (old,) = cluster.ask("describe", request, 5).groups
    assert (old.group_state, old.error_code) == ("Dead", ErrorCode.NONE)
    (new,) = cluster.ask("describe", request, 6).groups
    assert (new.group_state, new.error_code) == ("Dead", ErrorCode.GROUP_ID_NOT_FOUND)
    assert "nobody" in new.error_message


def test_authorised_operations_are_told_when_asked_for(cluster: Cluster) -> None:
    cluster.stable({})
    request = DescribeGroupsRequest(groups=[GROUP], include_authorized_operations=True)
    assert cluster.ask("describe", request, 6).groups[0].authorized_operations > 0
    request = DescribeGroupsRequest(groups=[GROUP])
    assert cluster.ask("describe", request, 6).groups[0].authorized_operations == -(2**31)


COMMIT = OffsetCommitRequest(
    group_id=GROUP,
    topics=[OffsetCommitRequestTopic(name="orders", partitions=[OffsetCommitRequestPartition(partition_index=3)])],
)
FETCH = OffsetFetchRequest(
    group_id=GROUP,
    topics=[OffsetFetchRequestTopic(name="orders", partition_indexes=[0])],
    groups=[OffsetFetchRequestGroup(group_id=GROUP)],
)
REQUESTS: list[Message] = [
    join_request("m"),
    SyncGroupRequest(group_id=GROUP),
    HeartbeatRequest(group_id=GROUP),
    LeaveGroupRequest(group_id=GROUP),
    COMMIT,
    FETCH,
    OffsetDeleteRequest(group_id=GROUP),
    ListGroupsRequest(),
    DescribeGroupsRequest(groups=[GROUP]),
    DeleteGroupsRequest(groups_names=[GROUP]),
]


@pytest.mark.parametrize(
    ("request_", "version"),
    [(request, version) for request in REQUESTS for version in range(request.versions[0], request.versions[1] + 1)],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
def test_every_request_can_be_refused_in_every_version(request_: Message, version: int) -> None:
    refused = refusal(request_, ErrorCode.COORDINATOR_NOT_AVAILABLE, version)
    told = repr(over_the_wire(refused, version))
    assert f"error_code={int(ErrorCode.COORDINATOR_NOT_AVAILABLE)}" in told
