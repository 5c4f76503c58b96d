"""Share groups over the wire (KIP-932): joining, being told what to read, where one stands; and after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create

from tidings.broker.catalog.topic import Topic
from tidings.broker.server import Broker
from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.share_state.state import NO_OFFSET
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
)
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequestTopic,
)
from tidings.wire.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
)
from tidings.wire.messages.find_coordinator import FindCoordinatorRequest
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.share_group_describe import ShareGroupDescribeRequest
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest

LEAVE = -1


async def beat(client: Client, member: str, epoch: int, *names: str, group: str = "g") -> Any:
    request = ShareGroupHeartbeatRequest(
        group_id=group, member_id=member, member_epoch=epoch, subscribed_topic_names=list(names) or None
    )
    return await client.ask(request, 1)


def assigned(reply: Any) -> dict[bytes, list[int]]:
    assert reply.error_code == 0, reply
    return {topic.topic_id: topic.partitions for topic in reply.assignment.topic_partitions}


async def offsets(client: Client, group: str = "g") -> Mapping[tuple[str, int], int]:
    asked = DescribeShareGroupOffsetsRequestGroup(group_id=group, topics=None)
    (found,) = (await client.ask(DescribeShareGroupOffsetsRequest(groups=[asked]), 1)).groups
    assert found.error_code == 0, found
    return {(t.topic_name, p.partition_index): p.start_offset for t in found.topics for p in t.partitions}


@pytest.fixture
def orders(live: Broker) -> Topic:
    return live.catalog.topics["orders"]


async def test_lone_member_reads_everything_and_states_are_begun(live: Broker, client: Client, orders: Topic) -> None:
    reply = await beat(client, "a", 0, "orders")
    assert assigned(reply) == {orders.id: [0, 1]}
    assert (reply.member_epoch, reply.heartbeat_interval_ms) == (1, 5000)
    assert await offsets(client) == {("orders", 0): NO_OFFSET, ("orders", 1): NO_OFFSET}


async def test_every_partition_is_read_and_every_member_reads(live: Broker, client: Client, orders: Topic) -> None:
    for member in "abc":
        await beat(client, member, 0, "orders")
    told = [assigned(await beat(client, member, 0, "orders")) for member in "abc"]
    assert {partition for each in told for partition in each[orders.id]} == {0, 1}
    assert all(len(each[orders.id]) == 1 for each in told)


async def test_members_hear_of_new_partitions_and_of_others_who_leave(live: Broker, client: Client) -> None:
    await beat(client, "a", 0, "orders", "later")
    epoch = (await beat(client, "b", 0, "orders", "later")).member_epoch
    assert (await beat(client, "b", epoch)).assignment is None  # nothing new
    later = await create(live, "later", 1)
    reply = await beat(client, "a", 1)
    assert later.id in assigned(reply)
    assert (await beat(client, "b", LEAVE)).member_epoch == LEAVE
    reply = await beat(client, "a", reply.member_epoch)
    assert sum(map(len, assigned(reply).values())) == 3


async def test_partition_that_comes_later_is_read_from_its_first_record(live: Broker, client: Client) -> None:
    await beat(client, "a", 0, "orders")
    await live.catalog.add_partitions("orders", 3)
    await beat(client, "a", 1)
    assert await offsets(client) == {("orders", 0): NO_OFFSET, ("orders", 1): NO_OFFSET, ("orders", 2): 0}


@pytest.mark.parametrize(
    ("member", "epoch", "names", "error"),
    [
        ("", 0, ["orders"], ErrorCode.INVALID_REQUEST),
        ("a", 0, [], ErrorCode.INVALID_REQUEST),
        ("a", -2, [], ErrorCode.INVALID_REQUEST),
        ("a", 9, [], ErrorCode.FENCED_MEMBER_EPOCH),
        ("nobody", 1, [], ErrorCode.UNKNOWN_MEMBER_ID),
        ("nobody", LEAVE, [], ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
async def test_heartbeat_that_makes_no_sense_is_refused(
    live: Broker, client: Client, member: str, epoch: int, names: list[str], error: ErrorCode
) -> None:
    await beat(client, "a", 0, "orders")
    assert (await beat(client, member, epoch, *names)).error_code == error


async def test_groups_of_different_protocols_do_not_mix(live: Broker, client: Client) -> None:
    await beat(client, "a", 0, "orders")
    consumer = ConsumerGroupHeartbeatRequest(
        group_id="g",
        member_id="x",
        member_epoch=0,
        rebalance_timeout_ms=1000,
        subscribed_topic_names=["orders"],
        topic_partitions=[],
    )
    assert (await client.ask(consumer, 1)).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    consumer.group_id = "c"
    await client.ask(consumer, 1)
    assert (await beat(client, "a", 0, "orders", group="c")).error_code == ErrorCode.GROUP_ID_NOT_FOUND


async def test_group_is_listed_described_and_found(live: Broker, client: Client, orders: Topic) -> None:
    await beat(client, "a", 0, "orders")
    (listed,) = (await client.ask(ListGroupsRequest(types_filter=["share"]), 5)).groups
    assert (listed.group_id, listed.group_type, listed.group_state) == ("g", "share", "Stable")
    known, unknown = (await client.ask(ShareGroupDescribeRequest(group_ids=["g", "x"]), 1)).groups
    assert (known.group_state, known.assignor_name, known.group_epoch) == ("Stable", "simple", 1)
    (member,) = known.members
    assert member.assignment.topic_partitions[0].topic_name == "orders"
    assert unknown.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    request = FindCoordinatorRequest(key_type=2, coordinator_keys=["g:abc:0", "nonsense"])
    found, nonsense = (await client.ask(request, 6)).coordinators
    assert (found.error_code, nonsense.error_code) == (0, ErrorCode.INVALID_REQUEST)


async def test_offsets_of_an_empty_group_are_altered_and_deleted(live: Broker, client: Client) -> None:
    await beat(client, "a", 0, "orders")
    parts = [AlterShareGroupOffsetsRequestPartition(partition_index=at, start_offset=7) for at in (0, 9)]
    alter = AlterShareGroupOffsetsRequest(
        group_id="g", topics=[AlterShareGroupOffsetsRequestTopic(topic_name="orders", partitions=parts)]
    )
    assert (await client.ask(alter, 0)).error_code == ErrorCode.NON_EMPTY_GROUP
    await beat(client, "a", LEAVE)
    (topic,) = (await client.ask(alter, 0)).responses
    assert [part.error_code for part in topic.partitions] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert await offsets(client) == {("orders", 0): 7, ("orders", 1): NO_OFFSET}
    delete = DeleteShareGroupOffsetsRequest(
        group_id="g", topics=[DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in ("orders", "none")]
    )
    deleted = (await client.ask(delete, 0)).responses
    assert [each.error_code for each in deleted] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert await offsets(client) == {}
    again, _ = (await client.ask(delete, 0)).responses
    assert again.error_message == "There is no offset information to delete."


async def test_group_is_told_where_to_begin_before_it_has_members(live: Broker, client: Client, orders: Topic) -> None:
    part = AlterShareGroupOffsetsRequestPartition(partition_index=1, start_offset=3)
    topic = AlterShareGroupOffsetsRequestTopic(topic_name="orders", partitions=[part])
    for group, error in (("g", ErrorCode.NONE), ("", ErrorCode.INVALID_GROUP_ID)):
        altered = await client.ask(AlterShareGroupOffsetsRequest(group_id=group, topics=[topic]), 0)
        assert altered.error_code == error
    (listed,) = (await client.ask(ListGroupsRequest(), 5)).groups
    assert (listed.group_id, listed.group_type, listed.group_state) == ("g", "share", "Empty")
    assert assigned(await beat(client, "a", 0, "orders")) == {orders.id: [0, 1]}
    assert await offsets(client) == {("orders", 0): NO_OFFSET, ("orders", 1): 3}


async def test_nothing_is_known_of_groups_and_partitions_that_are_not_there(live: Broker, client: Client) -> None:
    assert await offsets(client, "nobody") == {}
    wanted = [DescribeShareGroupOffsetsRequestTopic(topic_name=name, partitions=[9]) for name in ("orders", "nowhere")]
    asked = DescribeShareGroupOffsetsRequestGroup(group_id="nobody", topics=wanted)
    (found,) = (await client.ask(DescribeShareGroupOffsetsRequest(groups=[asked]), 1)).groups
    told = [partition for topic in found.topics for partition in topic.partitions]
    assert [(each.error_code, each.start_offset, each.lag) for each in told] == [(0, NO_OFFSET, -1)] * 2


async def test_heartbeat_that_is_refused_leaves_no_states_behind(live: Broker, client: Client) -> None:
    assert (await beat(client, "", 0, "orders")).error_code == ErrorCode.INVALID_REQUEST
    assert (await beat(client, "a", 7, "orders")).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert live.share_state.places("g") == []


async def test_group_is_deleted_with_its_states_when_nobody_is_in_it(live: Broker, client: Client) -> None:
    await beat(client, "a", 0, "orders")

    async def delete() -> int:
        (result,) = (await client.ask(DeleteGroupsRequest(groups_names=["g"]), 2)).results
        code: int = result.error_code
        return code

    assert await delete() == ErrorCode.NON_EMPTY_GROUP
    await beat(client, "a", LEAVE)
    assert await delete() == 0
    assert live.share_state.places("g") == []
    assert (await client.ask(ListGroupsRequest(), 5)).groups == []


async def test_members_and_states_are_there_after_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    orders = await create(broker, "orders", 2)
    async with await Client.connect(broker.address) as client:
        before = await beat(client, "a", 0, "orders")
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        reply = await beat(client, "a", before.member_epoch, "orders")
        assert assigned(reply) == {orders.id: [0, 1]}
        assert reply.member_epoch == before.member_epoch
        assert len(await offsets(client)) == 2


async def test_full_group_takes_nobody_in(open_broker: OpenBroker) -> None:
    broker = await open_broker(groups=GroupConfig(share_members_max=1))
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await beat(client, "a", 0, "orders")
        assert (await beat(client, "b", 0, "orders")).error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
