"""A stream consumed as a queue (KIP-932), over the wire: each record to one member, until it says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import batch, produce
from tests.broker.sharing import ACCEPT, REJECT, RELEASE, RENEW, VERSION, Member, begin_group, given, partitions_of
from tests.broker.transactional import Mover

from tidings.broker.catalog.topic import Topic
from tidings.broker.clock import SystemClock
from tidings.broker.config import BrokerConfig
from tidings.broker.server import Broker
from tidings.coordination.share_partition.limits import Limits
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from tidings.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tidings.wire.messages.share_fetch import FetchPartition, FetchTopic

LOCK_MS = 30_000


class MovableClock(SystemClock):
    """The time, and as much more as a test says has passed."""

    passed_ms = 0

    def monotonic_ms(self) -> int:
        return super().monotonic_ms() + self.passed_ms


@pytest.fixture
async def orders(live: Broker, client: Client) -> Topic:
    """Read by the group `g` from the start on; five records in two batches are in partition 0."""
    topic = live.catalog.topics["orders"]
    await begin_group(live, client, topic)
    await produce(client, batch(b"0", b"1", b"2"))
    await produce(client, batch(b"3", b"4"))
    return topic


@pytest.fixture
async def another(live: Broker) -> AsyncIterator[Client]:
    async with await Client.connect(live.address) as client:
        yield client


def offsets(records: list[tuple[int, bytes, int]]) -> list[int]:
    return [offset for offset, _, _ in records]


async def test_records_come_as_they_were_produced_and_say_how_often(client: Client, orders: Topic) -> None:
    assert await Member(client, orders).fetch() == [
        (0, b"0", 1), (1, b"1", 1), (2, b"2", 1), (3, b"3", 1), (4, b"4", 1),
    ]  # fmt: skip


async def test_what_one_member_has_no_other_is_given(client: Client, another: Client, orders: Topic) -> None:
    a, b = Member(client, orders), Member(another, orders, "b")
    assert offsets(await a.fetch(max_records=3)) == [0, 1, 2]
    assert offsets(await b.fetch()) == [3, 4]
    assert await a.fetch() == []


async def test_another_group_is_given_the_same_records(live: Broker, client: Client, orders: Topic) -> None:
    await begin_group(live, client, orders, "h")
    await Member(client, orders).fetch()
    assert offsets(await Member(client, orders, group="h").fetch()) == [0, 1, 2, 3, 4]


async def test_whole_batches_are_given_unless_the_limit_is_strict(client: Client, orders: Topic) -> None:
    member = Member(client, orders)
    assert offsets(await member.fetch(max_records=1, share_acquire_mode=1)) == [0]
    assert offsets(await member.fetch(max_records=1)) == [1, 2]


async def test_acknowledgements_come_along_with_the_next_fetch(client: Client, orders: Topic) -> None:
    member = Member(client, orders)
    await member.fetch()
    assert await member.fetch((0, 1, ACCEPT), (3, 3, REJECT)) == []
    assert await member.fetch((2, 2, RELEASE), max_wait_ms=5000) == [(2, b"2", 2)]


async def test_only_who_has_a_record_may_acknowledge_it(client: Client, another: Client, orders: Topic) -> None:
    a, b = Member(client, orders), Member(another, orders, "b")
    await a.fetch(max_records=3)
    await b.fetch()
    assert (await b.acknowledge((0, 0, ACCEPT))).error_code == ErrorCode.INVALID_RECORD_STATE
    (reply,) = partitions_of(await b.ask((0, 0, ACCEPT)))
    assert reply.acknowledge_error_code == ErrorCode.INVALID_RECORD_STATE
    assert (await a.acknowledge((1, 1, ACCEPT))).error_code == 0
    assert (await a.acknowledge((1, 1, ACCEPT))).error_code == ErrorCode.INVALID_RECORD_STATE


@pytest.mark.parametrize("told", [(1, 0, ACCEPT), (0, 0, 5), (0, 0, RENEW), (3, 99, ACCEPT)])
async def test_an_acknowledgement_that_no_client_means_is_refused(
    client: Client, orders: Topic, told: tuple[int, int, int]
) -> None:
    member = Member(client, orders)
    await member.fetch()
    assert (await member.acknowledge(told)).error_code == ErrorCode.INVALID_REQUEST


async def test_what_a_member_had_is_given_to_others_when_it_leaves(
    client: Client, another: Client, orders: Topic
) -> None:
    a, b = Member(client, orders), Member(another, orders, "b")
    await a.fetch()
    waiting = b.send(max_wait_ms=5000)
    assert (await a.leave()).error_code == 0
    assert [count for _, _, count in given(await another.receive(waiting))] == [2] * 5


async def test_what_a_member_had_is_given_to_others_when_its_connection_is_gone(
    live: Broker, client: Client, orders: Topic
) -> None:
    async with await Client.connect(live.address) as other:
        await Member(other, orders, "b").fetch()
    assert offsets(await Member(client, orders).fetch(max_wait_ms=5000)) == [0, 1, 2, 3, 4]


async def test_a_record_stays_with_its_member_for_so_long_unless_renewed(
    tmp_path: Path,
) -> None:
    clock = MovableClock()
    broker = await Broker.open(BrokerConfig(data=tmp_path, port=0), clock=clock)
    try:
        async with await Client.connect(broker.address) as client:
            topic = await create(broker, "orders")
            await begin_group(broker, client, topic)
            await produce(client, batch(b"0", b"1", b"2"))
            a, b = Member(client, topic), Member(client, topic, "b")
            assert (await a.ask()).acquisition_lock_timeout_ms == LOCK_MS
            clock.passed_ms += LOCK_MS - 1000
            assert await b.fetch() == []
            assert (await a.acknowledge((1, 1, RENEW), is_renew_ack=True)).error_code == 0
            clock.passed_ms += 2000
            assert await b.fetch() == [(0, b"0", 2), (2, b"2", 2)]
            assert (await a.acknowledge((0, 0, ACCEPT))).error_code == ErrorCode.INVALID_RECORD_STATE
            assert (await a.acknowledge((1, 1, ACCEPT))).error_code == 0
    finally:
        await broker.close()


async def test_a_fetch_waits_for_records(client: Client, another: Client, orders: Topic) -> None:
    member = Member(client, orders)
    await member.fetch()
    waiting = member.send(max_wait_ms=5000)
    await produce(another, batch(b"5"))
    assert offsets(given(await client.receive(waiting))) == [5]


async def test_a_fetch_waits_for_what_others_release(client: Client, another: Client, orders: Topic) -> None:
    a, b = Member(client, orders), Member(another, orders, "b")
    await a.fetch()
    waiting = b.send(max_wait_ms=5000)
    await a.acknowledge((1, 1, RELEASE))
    assert given(await another.receive(waiting)) == [(1, b"1", 2)]


async def test_an_empty_fetch_that_may_not_wait_returns_at_once(client: Client, orders: Topic) -> None:
    assert await Member(client, orders).fetch(index=1) == []


async def test_a_new_group_begins_at_the_end_unless_it_says_otherwise(
    live: Broker, client: Client, orders: Topic
) -> None:
    await begin_group(live, client, orders, "late", share_auto_offset_reset="latest")
    member = Member(client, orders, group="late")
    assert await member.fetch() == []
    await produce(client, batch(b"5"))
    assert offsets(await member.fetch()) == [5]


async def test_a_new_group_may_begin_at_a_time(live: Broker, client: Client, orders: Topic) -> None:
    now_ms = live.clock.now_ms()
    await produce(client, batch(b"old", timestamp_ms=now_ms - 7_200_000), index=1)
    await produce(client, batch(b"new", timestamp_ms=now_ms - 1000), index=1)
    await begin_group(live, client, orders, "recent", share_auto_offset_reset="by_duration:PT1H30M")
    assert await Member(client, orders, group="recent").fetch(index=1) == [(1, b"new", 1)]


async def test_records_that_were_deleted_are_passed_over(client: Client, orders: Topic) -> None:
    member = Member(client, orders)
    await member.fetch(max_records=3)
    partition = DeleteRecordsPartition(partition_index=0, offset=4)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="orders", partitions=[partition])], timeout_ms=1000)
    await client.ask(request, 2)
    assert await member.fetch((0, 2, ACCEPT)) == [(4, b"4", 1)]


async def test_who_reads_what_is_committed_is_given_nothing_else(live: Broker, client: Client, orders: Topic) -> None:
    await begin_group(live, client, orders, "careful", share_isolation_level="read_committed")
    member = Member(client, orders, group="careful")
    assert offsets(await member.fetch(index=1)) == []
    mover = await Mover(client).take_over()
    await mover.produce(b"aborted", index=1)
    await mover.end(commit=False)
    await mover.produce(b"committed", index=1)
    assert await member.fetch(index=1) == []
    await mover.end(commit=True)
    assert await member.fetch(index=1) == [(2, b"committed", 1)]
    assert (await member.acknowledge((2, 2, ACCEPT), index=1)).error_code == 0
    assert await member.fetch(index=1) == []


async def test_who_does_not_mind_is_given_what_is_undecided_but_no_markers(client: Client, orders: Topic) -> None:
    mover = await Mover(client).take_over()
    await mover.produce(b"undecided", index=1)
    await mover.end(commit=False)
    assert await Member(client, orders).fetch(index=1) == [(0, b"undecided", 1)]


async def test_a_session_is_kept_to(client: Client, orders: Topic) -> None:
    member = Member(client, orders)
    member.epoch = 1
    assert (await member.ask()).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    assert (await member.acknowledge((0, 0, ACCEPT))).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    member.epoch = 0
    assert (await member.acknowledge((0, 0, ACCEPT))).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
    member.epoch = 0
    assert (await member.ask((0, 0, ACCEPT))).error_code == ErrorCode.INVALID_REQUEST
    member.epoch = 0
    await member.fetch()
    member.epoch = 5
    assert (await member.ask()).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
    member.epoch = 1
    await member.fetch()
    await member.leave()
    assert (await member.leave()).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND


async def test_there_are_only_so_many_sessions(open_broker: OpenBroker) -> None:
    broker = await open_broker(share_sessions_max=1)
    topic = await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await begin_group(broker, client, topic)
        await Member(client, topic).fetch()
        assert (await Member(client, topic, "b").ask()).error_code == ErrorCode.SHARE_SESSION_LIMIT_REACHED


@pytest.mark.parametrize("name", ["", "x" * 37])
async def test_a_member_has_a_name(client: Client, orders: Topic, name: str) -> None:
    assert (await Member(client, orders, name).ask()).error_code == ErrorCode.INVALID_REQUEST


async def test_a_request_that_renews_fetches_nothing(client: Client, orders: Topic) -> None:
    member = Member(client, orders)
    await member.fetch()
    assert (await member.ask(is_renew_ack=True)).error_code == ErrorCode.INVALID_REQUEST
    member.epoch = 1
    quiet = {"is_renew_ack": True, "max_bytes": 0, "min_bytes": 0, "max_records": 0}
    assert partitions_of(await member.ask((0, 4, RENEW), **quiet))[0].acknowledge_error_code == 0


async def test_a_group_that_does_not_read_the_topic_is_told_so(client: Client, orders: Topic) -> None:
    (reply,) = partitions_of(await Member(client, orders, group="unknown").ask())
    assert reply.error_code == ErrorCode.UNKNOWN_SERVER_ERROR


async def test_what_is_not_there_is_said_for_its_partition(live: Broker, client: Client, orders: Topic) -> None:
    (reply,) = partitions_of(await Member(client, orders, "b").ask(index=9))
    assert reply.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    member = Member(client, orders)
    await member.fetch()
    async with await Client.connect(live.address) as other:
        waiting = member.send(max_wait_ms=5000)
        await other.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")], timeout_ms=1000), 6)
        (reply,) = partitions_of(await client.receive(waiting))
    assert reply.error_code == ErrorCode.UNKNOWN_TOPIC_ID
    (reply,) = partitions_of(await member.ask((0, 0, ACCEPT)))
    assert reply.acknowledge_error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_after_a_restart_what_was_acknowledged_is_done_with_and_all_else_comes_again(
    open_broker: OpenBroker,
) -> None:
    broker = await open_broker()
    topic = await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await begin_group(broker, client, topic, share_auto_offset_reset="latest")
        member = Member(client, topic)
        await member.fetch()
        await produce(client, batch(b"0", b"1", b"2", b"3", b"4"))
        await member.fetch()
        await member.acknowledge((1, 2, ACCEPT), (3, 3, RELEASE))
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        found = await Member(client, broker.catalog.topics["orders"]).fetch()
    assert offsets(found) == [0, 3, 4]


async def test_a_write_that_fails_leaves_the_record_with_its_member(
    live: Broker, client: Client, orders: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Member(client, orders)
    await member.fetch()

    def refuse(*_: object, **__: object) -> asyncio.Future[None]:
        refused: asyncio.Future[None] = live.loop.create_future()
        refused.set_exception(ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE))
        return refused

    with monkeypatch.context() as patch:
        patch.setattr(live.share_state, "write", refuse)
        assert (await member.acknowledge((0, 4, ACCEPT))).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert (await member.acknowledge((0, 4, ACCEPT))).error_code == 0


async def test_the_brokers_limits_hold_for_groups_that_have_none_of_their_own(open_broker: OpenBroker) -> None:
    broker = await open_broker(shares=Limits(lock_ms=2000, deliveries_max=2), share_lock_ms_min=1000)
    topic = await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await begin_group(broker, client, topic)
        await begin_group(broker, client, topic, "quick", share_record_lock_duration_ms="1000")
        await produce(client, batch(b"0"))
        member, quick = Member(client, topic), Member(client, topic, group="quick")
        assert (await quick.ask()).acquisition_lock_timeout_ms == 1000
        assert (await member.ask()).acquisition_lock_timeout_ms == 2000
        assert await member.fetch((0, 0, RELEASE), max_wait_ms=5000) == [(0, b"0", 2)]
        assert await member.fetch((0, 0, RELEASE)) == []


async def test_of_partitions_that_are_new_to_a_group_one_with_records_will_do(client: Client, orders: Topic) -> None:
    await produce(client, batch(b"a"), index=1)
    member = Member(client, orders)
    both = [FetchPartition(partition_index=index) for index in (0, 1)]
    request = member.request()
    request.topics = [FetchTopic(topic_id=orders.id, partitions=both)]
    assert len(partitions_of(await client.ask(request, VERSION))) == 1
    assert len(given(await member.ask())) in (1, 5)
