"""Consumer groups and producer ids over the wire, up to and beyond a restart of the broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create

from tidings.broker.catalog.topic_names import GROUP_OFFSETS
from tidings.broker.server import Broker
from tidings.coordination.producer_ids import BLOCK_IDS
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.describe_groups import DescribeGroupsRequest
from tidings.wire.messages.find_coordinator import FindCoordinatorRequest
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.init_producer_id import InitProducerIdRequest
from tidings.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidings.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from tidings.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment


async def ask(client: Client, request: Message, version: int) -> Any:
    return await client.receive(client.send(request, version))


def commit_of(offset: int, **options: Any) -> OffsetCommitRequest:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=""
    )
    return OffsetCommitRequest(
        group_id="readers",
        generation_id_or_member_epoch=options.get("generation", -1),
        member_id=options.get("member_id", ""),
        topics=[OffsetCommitRequestTopic(name="orders", partitions=[partition])],
    )


async def committed(client: Client) -> int:
    wanted = OffsetFetchRequestTopics(name="orders", partition_indexes=[0])
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="readers", topics=[wanted])])
    reply = await ask(client, request, 9)
    return int(reply.groups[0].topics[0].partitions[0].committed_offset)


async def join(client: Client, member_id: str = "", version: int = 9) -> Any:
    request = JoinGroupRequest(
        group_id="readers",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    return await ask(client, request, version)


async def member(client: Client) -> Any:
    """The join of a lone member, assigned."""
    joined = await join(client, (await join(client)).member_id)
    mine = SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"all of it")
    request = SyncGroupRequest(
        group_id="readers", generation_id=joined.generation_id, member_id=joined.member_id, assignments=[mine]
    )
    synced = await ask(client, request, 5)
    assert bytes(synced.assignment) == b"all of it"
    return joined


async def test_a_member_lives_through_a_restart_of_the_broker(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        joined = await member(client)
        request = commit_of(7, member_id=joined.member_id, generation=joined.generation_id)
        assert (await ask(client, request, 9)).topics[0].partitions[0].error_code == ErrorCode.NONE
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        beat = HeartbeatRequest(group_id="readers", generation_id=joined.generation_id, member_id=joined.member_id)
        assert (await ask(client, beat, 4)).error_code == ErrorCode.NONE
        assert await committed(client) == 7


async def test_a_stop_does_not_wait_for_members_that_wait_for_each_other(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    async with await Client.connect(broker.address) as one, await Client.connect(broker.address) as two:
        await member(one)
        newcomer = await join(two)
        request = JoinGroupRequest(
            group_id="readers",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=60_000,
            member_id=newcomer.member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        parked = two.send(request, 9)
        assert (await ask(one, ListGroupsRequest(), 5)).groups[0].group_id == "readers"
        async with asyncio.timeout(3):
            await broker.close()
        assert (await two.receive(parked)).error_code == ErrorCode.NOT_COORDINATOR


async def test_commits_may_follow_one_another_without_waiting(client: Client) -> None:
    pending = [client.send(commit_of(offset), 9) for offset in range(50)]
    replies = [await client.receive(one) for one in pending]
    assert {reply.topics[0].partitions[0].error_code for reply in replies} == {ErrorCode.NONE}
    assert await committed(client) == 49


async def test_groups_can_be_seen_left_and_deleted(client: Client) -> None:
    joined = await member(client)
    (described,) = (await ask(client, DescribeGroupsRequest(groups=["readers"]), 6)).groups
    assert (described.group_state, described.members[0].client_host) == ("Stable", "/127.0.0.1")
    leave = LeaveGroupRequest(group_id="readers", members=[MemberIdentity(member_id=joined.member_id)])
    assert (await ask(client, leave, 5)).members[0].error_code == ErrorCode.NONE
    await ask(client, commit_of(3), 9)
    doomed = [OffsetDeleteRequestPartition(partition_index=0)]
    topics = [OffsetDeleteRequestTopic(name="orders", partitions=doomed)]
    reply = await ask(client, OffsetDeleteRequest(group_id="readers", topics=topics), 0)
    assert (reply.error_code, reply.topics[0].partitions[0].error_code) == (ErrorCode.NONE, ErrorCode.NONE)
    assert await committed(client) == -1
    reply = await ask(client, DeleteGroupsRequest(groups_names=["readers"]), 2)
    assert reply.results[0].error_code == ErrorCode.NONE
    assert (await ask(client, ListGroupsRequest(), 5)).groups == []


async def test_offsets_go_with_their_topic(live: Broker, client: Client) -> None:
    await ask(client, commit_of(3), 9)
    await live.catalog.delete([live.catalog.topics["orders"]])
    await create(live, "orders")
    assert await committed(client) == -1


@pytest.mark.parametrize("version", range(7))
async def test_we_coordinate_every_group(live: Broker, client: Client, version: int) -> None:
    request = FindCoordinatorRequest(key="readers", key_type=0, coordinator_keys=["readers", "writers"])
    reply = await ask(client, request, version)
    found = reply.coordinators if version >= 4 else [reply]
    assert len(found) == (2 if version >= 4 else 1)
    for one in found:
        assert (one.error_code, one.node_id, (one.host, one.port)) == (ErrorCode.NONE, 1, live.address)


@pytest.mark.parametrize("version", range(6))
async def test_every_producer_gets_an_id_of_its_own(client: Client, version: int) -> None:
    replies = [await ask(client, InitProducerIdRequest(transactional_id=None), version) for _ in range(3)]
    assert [(reply.error_code, reply.producer_id, reply.producer_epoch) for reply in replies] == [
        (ErrorCode.NONE, producer_id, 0) for producer_id in range(3)
    ]


async def test_no_producer_id_comes_again_after_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    assert await broker.producer_ids.next_id() == 0
    await broker.close()
    broker = await open_broker()
    assert await broker.producer_ids.next_id() == BLOCK_IDS


async def test_many_producers_at_once_claim_one_block(live: Broker) -> None:
    ids = await asyncio.gather(*(live.producer_ids.next_id() for _ in range(BLOCK_IDS + 1)))
    assert sorted(ids) == list(range(BLOCK_IDS + 1))


async def test_the_log_of_groups_is_a_topic_of_its_own(live: Broker) -> None:
    assert live.catalog.topics[GROUP_OFFSETS].is_internal
