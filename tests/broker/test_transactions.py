"""Transactions over the wire: what a reader sees, who is refused, what becomes of them over a restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import batch, fetch, fetch_request, partitions_of, values
from tests.broker.transactional import READ_COMMITTED, V1_END, V1_PRODUCE, V2_PRODUCE, Mover, code_of, committed

from tidings.broker.catalog.topic_names import GROUP_OFFSETS, TRANSACTIONS
from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from tidings.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from tidings.wire.messages.fetch import PartitionData
from tidings.wire.messages.find_coordinator import FindCoordinatorRequest
from tidings.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tidings.wire.messages.list_transactions import ListTransactionsRequest
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidings.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from tidings.wire.records import batches


@pytest.fixture
async def mover(client: Client) -> Mover:
    return await Mover(client).take_over()


async def read(client: Client, offset: int = 0, *, isolation: int = READ_COMMITTED, index: int = 0) -> PartitionData:
    return (await fetch(client, ("orders", index, offset), isolation_level=isolation))["orders", index]


async def seen(client: Client, **where: Any) -> list[bytes | None]:
    """The values a consumer of committed data hands on: without markers, and without what was aborted."""
    found = await read(client, **where)
    aborted = {(one.producer_id, one.first_offset) for one in found.aborted_transactions or ()}
    result: list[bytes | None] = []
    open_aborts: set[int] = set()
    data = found.records or b""
    for position, header in batches(data):
        open_aborts |= {producer for producer, first in aborted if first == header.base_offset}
        if header.is_control:
            open_aborts.discard(header.producer_id)
        elif header.producer_id not in open_aborts:
            one = PartitionData(records=bytes(data[position : position + header.size_bytes]))
            result += values(one)
    return result


async def latest(client: Client, isolation: int) -> int:
    partition = ListOffsetsPartition(partition_index=0, timestamp=-1)
    topics = [ListOffsetsTopic(name="orders", partitions=[partition])]
    reply = await client.ask(ListOffsetsRequest(replica_id=-1, isolation_level=isolation, topics=topics), 7)
    return int(reply.topics[0].partitions[0].offset)


# What a reader sees.


async def test_a_transaction_is_seen_when_it_commits(client: Client, mover: Mover) -> None:
    assert await mover.produce(b"a", b"b") == ErrorCode.NONE
    open_one = await read(client)
    assert (values(open_one), open_one.last_stable_offset, open_one.high_watermark) == ([], 0, 2)
    assert values(await read(client, isolation=0)) == [b"a", b"b"]
    assert (await latest(client, READ_COMMITTED), await latest(client, 0)) == (0, 2)
    assert await mover.end(commit=True) == ErrorCode.NONE
    assert await seen(client) == [b"a", b"b"]
    assert await latest(client, READ_COMMITTED) == 3, "two records and the marker"


async def test_an_aborted_transaction_is_told_to_those_who_read_committed_data(client: Client, mover: Mover) -> None:
    await mover.produce(b"never")
    assert await mover.end(commit=False) == ErrorCode.NONE
    await mover.produce(b"kept")
    await mover.end(commit=True)
    found = await read(client)
    assert found.aborted_transactions is not None
    assert [(one.producer_id, one.first_offset) for one in found.aborted_transactions] == [(mover.producer_id, 0)]
    assert await seen(client) == [b"kept"]
    assert (await read(client, isolation=0)).aborted_transactions is None


async def test_what_others_write_waits_behind_an_open_transaction(client: Client, mover: Mover) -> None:
    await mover.produce(b"open")
    other = await Mover(client, "other").take_over()
    await other.produce(b"done")
    await other.end(commit=True)
    assert await seen(client) == []
    await mover.end(commit=False)
    assert await seen(client) == [b"done"]


async def test_a_waiting_reader_is_woken_by_the_marker_and_not_by_what_is_undecided(
    live: Broker, client: Client, mover: Mover
) -> None:
    await mover.produce(b"a")
    async with await Client.connect(live.address) as reader:
        request = fetch_request(("orders", 0, 0), isolation_level=READ_COMMITTED, max_wait_ms=9_000, min_bytes=100)
        waiting = reader.send(request, 12)
        await mover.produce(b"b" * 200)
        await mover.end(commit=True)
        found = partitions_of(await reader.receive(waiting))["orders", 0]
        assert values(found)[:2] == [b"a", b"b" * 200]


async def test_a_reader_of_committed_data_gets_nothing_when_its_time_is_over(client: Client, mover: Mover) -> None:
    await mover.produce(b"a")
    request = fetch_request(("orders", 0, 0), isolation_level=READ_COMMITTED, max_wait_ms=20)
    assert values(partitions_of(await client.ask(request, 12))["orders", 0]) == []


async def test_one_transaction_ends_in_all_its_partitions(client: Client, mover: Mover) -> None:
    await mover.produce(b"a", index=0)
    await mover.produce(b"b", index=1)
    await mover.end(commit=True)
    assert (await seen(client, index=0), await seen(client, index=1)) == ([b"a"], [b"b"])


async def test_batches_that_are_sent_without_waiting_keep_their_order(client: Client, mover: Mover) -> None:
    """The first of them has to wait until its partition is on record; those behind it must not overtake it."""
    requests = [mover.produce_request(b"%d" % number) for number in range(5)]
    pending = [client.send(request, V2_PRODUCE) for request in requests]
    assert {code_of(await client.receive(one)) for one in pending} == {ErrorCode.NONE}
    await mover.end(commit=True)
    assert await seen(client) == [b"0", b"1", b"2", b"3", b"4"]


# Who is late.


async def test_a_late_batch_never_enters_the_next_transaction(client: Client, mover: Mover) -> None:
    late = mover.produce_request(b"late")
    await mover.produce(b"a", index=1)
    await mover.end(commit=True)
    await mover.produce(b"next")
    assert code_of(await client.ask(late, V2_PRODUCE)) == ErrorCode.INVALID_PRODUCER_EPOCH
    await mover.end(commit=True)
    assert code_of(await client.ask(late, V2_PRODUCE)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert await seen(client) == [b"next"]
    assert await latest(client, READ_COMMITTED) == await latest(client, 0)


async def test_a_batch_that_comes_again_after_its_transaction_is_refused(client: Client, mover: Mover) -> None:
    request = mover.produce_request(b"a")
    assert code_of(await client.ask(request, V2_PRODUCE)) == ErrorCode.NONE
    await mover.end(commit=True)
    assert code_of(await client.ask(request, V2_PRODUCE)) == ErrorCode.INVALID_PRODUCER_EPOCH


async def test_a_late_end_does_not_end_the_next_transaction(client: Client, mover: Mover) -> None:
    await mover.produce(b"a")
    late = mover.end_request(commit=True)
    assert await mover.end(commit=True) == ErrorCode.NONE
    assert (await client.ask(late, 5)).producer_epoch == mover.epoch, "at once, it is the same request again"
    await mover.produce(b"b")
    assert (await client.ask(late, 5)).error_code == ErrorCode.PRODUCER_FENCED
    assert await mover.state() == "Ongoing"


async def test_late_offsets_never_enter_the_next_transaction(client: Client, mover: Mover) -> None:
    old = Mover(client)
    old.producer_id, old.epoch = mover.producer_id, mover.epoch
    await mover.produce(b"a")
    await mover.end(commit=True)
    await mover.produce(b"b")
    assert await old.commit_offset(1) == ErrorCode.INVALID_PRODUCER_EPOCH
    await mover.end(commit=True)
    assert await committed(client) == -1


@pytest.mark.parametrize(
    ("version", "code"), [(10, ErrorCode.INVALID_TXN_STATE), (V1_PRODUCE, ErrorCode.TRANSACTION_ABORTABLE)]
)
async def test_in_version_1_a_batch_is_refused_where_its_transaction_does_not_write(
    client: Client, mover: Mover, version: int, code: ErrorCode
) -> None:
    assert await mover.produce(b"a", version=version) == code
    assert await mover.add_partitions(1) == [ErrorCode.NONE]
    mover.sequences.clear()
    assert await mover.produce(b"a", version=version) == code
    assert await mover.produce(b"b", version=version, index=1) == ErrorCode.NONE
    assert await mover.end(commit=True, version=V1_END) == ErrorCode.NONE
    assert await mover.produce(b"c", version=version, index=1) == code, "that transaction is over"
    assert await seen(client, index=1) == [b"b"]


async def test_a_batch_of_a_transaction_needs_its_name(client: Client, mover: Mover) -> None:
    for name, code in (
        (None, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ("other", ErrorCode.INVALID_PRODUCER_ID_MAPPING),
    ):
        mover.sequences.clear()
        assert await mover.produce(b"a", name=name) == code
    assert await latest(client, 0) == 0


async def test_one_request_has_one_producer(client: Client, mover: Mover) -> None:
    other = await Mover(client, "other").take_over()
    mine, theirs = mover.produce_request(b"a"), other.produce_request(b"b", index=1)
    mine.topic_data += theirs.topic_data
    reply = await client.ask(mine, V2_PRODUCE)
    codes = [partition.error_code for topic in reply.responses for partition in topic.partition_responses]
    assert codes == [ErrorCode.NONE, ErrorCode.INVALID_PRODUCER_ID_MAPPING]


async def test_a_transactional_id_does_no_harm_to_plain_batches(client: Client) -> None:
    topics = [TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch(b"plain"))])]
    request = ProduceRequest(transactional_id="mover", acks=-1, timeout_ms=1000, topic_data=topics)
    assert code_of(await client.ask(request, V2_PRODUCE)) == ErrorCode.NONE
    assert await seen(client) == [b"plain"]


async def test_a_zombie_is_fenced_and_what_it_left_is_aborted(live: Broker, client: Client, mover: Mover) -> None:
    await mover.produce(b"zombie's")
    async with await Client.connect(live.address) as other:
        new = await Mover(other).take_over()
        assert await mover.produce(b"more") == ErrorCode.INVALID_PRODUCER_EPOCH
        assert await mover.end(commit=True) == ErrorCode.PRODUCER_FENCED
        await new.produce(b"new")
        assert await new.end(commit=True) == ErrorCode.NONE
    assert await seen(client) == [b"new"]


async def test_a_transaction_that_takes_too_long_is_aborted(client: Client) -> None:
    mover = await Mover(client).take_over(timeout_ms=30)
    await mover.produce(b"slow")
    request = fetch_request(("orders", 0, 0), isolation_level=READ_COMMITTED, max_wait_ms=9_000)
    found = partitions_of(await client.ask(request, 12))["orders", 0]
    assert found.last_stable_offset == 2
    assert await mover.end(commit=True) == ErrorCode.PRODUCER_FENCED
    assert await seen(client) == []


# Offsets.


async def test_offsets_are_committed_with_the_transaction(client: Client, mover: Mover) -> None:
    await mover.produce(b"a")
    assert await mover.commit_offset(7) == ErrorCode.NONE
    assert await committed(client) == ErrorCode.UNSTABLE_OFFSET_COMMIT
    assert await committed(client, stable=False) == -1
    await mover.end(commit=True)
    assert await committed(client) == 7
    await mover.commit_offset(9)
    await mover.end(commit=False)
    assert await committed(client) == 7


async def test_in_version_1_offsets_are_added_before(client: Client, mover: Mover) -> None:
    assert await mover.commit_offset(7, version=4) == ErrorCode.TRANSACTION_ABORTABLE
    assert await mover.commit_offset(7, version=3) == ErrorCode.INVALID_TXN_STATE
    request = AddOffsetsToTxnRequest(
        transactional_id=mover.name,
        producer_id=mover.producer_id,
        producer_epoch=mover.epoch,
        group_id="readers",
    )
    assert (await client.ask(request, 4)).error_code == ErrorCode.NONE
    assert await mover.commit_offset(7, version=3) == ErrorCode.NONE
    assert await mover.end(commit=True, version=V1_END) == ErrorCode.NONE
    assert await committed(client) == 7


# Restarts.


async def test_an_open_transaction_goes_on_after_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        mover = await Mover(client).take_over()
        await mover.produce(b"before")
        await mover.commit_offset(7)
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        mover.client = client
        assert await seen(client) == []
        assert await committed(client) == ErrorCode.UNSTABLE_OFFSET_COMMIT
        assert await mover.produce(b"after") == ErrorCode.NONE
        assert await mover.end(commit=True) == ErrorCode.NONE
        assert await seen(client) == [b"before", b"after"]
        assert await committed(client) == 7


@pytest.mark.parametrize("commit", [True, False])
async def test_a_decision_is_carried_out_by_the_next_start(
    open_broker: OpenBroker, commit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await open_broker()
    await create(broker, "orders", 2)
    async with await Client.connect(broker.address) as client:
        mover = await Mover(client).take_over()
        await mover.produce(b"a", index=0)
        await mover.produce(b"b", index=1)
        await mover.commit_offset(7)
        write = broker.transactions.markers.write
        only_one = iter([True])

        def stopped(*args: Any, **options: Any) -> None:
            """The broker goes down with one marker written."""
            if next(only_one, False):
                write(*args, **options)

        monkeypatch.setattr(broker.transactions.markers, "write", stopped)
        pending = client.send(mover.end_request(commit=commit), 5)
        while await Mover(other := await Client.connect(broker.address)).state() == "Ongoing":
            await other.close()
        await other.close()
        await broker.close()
        assert (await client.receive(pending)).error_code == ErrorCode.NOT_COORDINATOR
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        mover.client = client
        while (code := await mover.end(commit=commit)) == ErrorCode.CONCURRENT_TRANSACTIONS:
            pass
        assert code == ErrorCode.NONE
        assert (await seen(client, index=0), await seen(client, index=1)) == (([b"a"], [b"b"]) if commit else ([], []))
        assert await committed(client) == (7 if commit else -1)
        assert await mover.state() == ("CompleteCommit" if commit else "CompleteAbort")


async def test_markers_that_cannot_be_written_are_tried_again(
    live: Broker, client: Client, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.broker.coordinators.transactions.RETRY_S", 0.01)
    await mover.produce(b"a")
    write = live.transactions.markers.write
    failures = iter([True, True])

    def flaky(topic: str, index: int, *args: Any, **options: Any) -> None:
        if next(failures, False):
            options["done"](OSError("no space"))
        else:
            write(topic, index, *args, **options)

    monkeypatch.setattr(live.transactions.markers, "write", flaky)
    assert await mover.end(commit=True) == ErrorCode.NONE
    assert await seen(client) == [b"a"]


async def test_a_topic_that_is_deleted_does_not_hold_up_its_transaction(
    live: Broker, client: Client, mover: Mover
) -> None:
    await create(live, "doomed")
    await mover.produce(b"a")
    await mover.produce(b"b", topic="doomed")
    await live.catalog.delete([live.catalog.topic("doomed")])
    assert await mover.end(commit=True) == ErrorCode.NONE
    assert await seen(client) == [b"a"]


# Looking at it, from outside.


async def test_a_hanging_transaction_is_found_and_aborted_by_hand(client: Client, mover: Mover) -> None:
    await mover.produce(b"hangs")
    topics = [TopicRequest(name="orders", partition_indexes=[0, 99])]
    found, unknown = (await client.ask(DescribeProducersRequest(topics=topics), 0)).topics[0].partitions
    assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    (producer,) = found.active_producers
    assert (producer.producer_id, producer.producer_epoch) == (mover.producer_id, mover.epoch)
    assert (producer.last_sequence, producer.current_txn_start_offset) == (0, 0)
    marker = WritableTxnMarker(
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        transaction_result=False,
        topics=[WritableTxnMarkerTopic(name="orders", partition_indexes=[0, 99])],
        coordinator_epoch=producer.coordinator_epoch,
    )
    reply = await client.ask(WriteTxnMarkersRequest(markers=[marker]), 1)
    codes = [partition.error_code for partition in reply.markers[0].topics[0].partitions]
    assert codes == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert await seen(client) == []
    assert await latest(client, READ_COMMITTED) == 2


async def test_transactions_are_listed(client: Client, mover: Mover) -> None:
    await mover.produce(b"a")
    listed = (await client.ask(ListTransactionsRequest(), 1)).transaction_states
    assert [(one.transactional_id, one.transaction_state) for one in listed] == [("mover", "Ongoing")]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (None, ["mover", "other/1"]),
        ("", ["mover", "other/1"]),
        ("mov", []),
        ("mov.*", ["mover"]),
        (".+/\\d", ["other/1"]),
    ],
)
async def test_transactions_are_listed_by_a_pattern_of_their_whole_ids(
    client: Client, pattern: str | None, found: list[str]
) -> None:
    for name in ("mover", "other/1"):
        await Mover(client, name).take_over()
    reply = await client.ask(ListTransactionsRequest(transactional_id_pattern=pattern), 2)
    assert (reply.error_code, sorted(one.transactional_id for one in reply.transaction_states)) == (0, found)


async def test_a_pattern_of_ids_that_is_none_is_refused(client: Client, mover: Mover) -> None:
    reply = await client.ask(ListTransactionsRequest(transactional_id_pattern="("), 2)
    assert (reply.error_code, reply.transaction_states) == (ErrorCode.INVALID_REGULAR_EXPRESSION, [])


async def test_the_coordinator_of_a_transaction_is_found(live: Broker, client: Client) -> None:
    reply = await client.ask(FindCoordinatorRequest(coordinator_keys=["mover"], key_type=1), 4)
    assert (reply.coordinators[0].error_code, reply.coordinators[0].port) == (ErrorCode.NONE, live.address[1])


@pytest.mark.parametrize("name", [GROUP_OFFSETS, TRANSACTIONS])
async def test_nobody_else_writes_to_the_logs_of_coordinators(client: Client, mover: Mover, name: str) -> None:
    assert await mover.produce(b"x", topic=name) == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert await mover.add_partitions(0, topic=name) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED]


async def test_no_marker_is_written_to_the_log_of_transactions(client: Client, mover: Mover) -> None:
    topics = [WritableTxnMarkerTopic(name=TRANSACTIONS, partition_indexes=[0])]
    marker = WritableTxnMarker(producer_id=mover.producer_id, producer_epoch=mover.epoch, topics=topics)
    reply = await client.ask(WriteTxnMarkersRequest(markers=[marker]), 1)
    assert reply.markers[0].topics[0].partitions[0].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_a_log_of_transactions_that_failed_refuses_and_the_rest_goes_on(live: Broker, client: Client) -> None:
    mover = await Mover(client).take_over()
    live.transactions._fail(OSError("the disk is gone"))
    assert await mover.init() == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert await mover.produce(b"a") == ErrorCode.NOT_ENOUGH_REPLICAS
    assert await mover.end(commit=True) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert await mover.add_partitions(0) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]
    reply = await client.ask(FindCoordinatorRequest(coordinator_keys=["mover"], key_type=1), 4)
    assert reply.coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    plain = [TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch(b"plain"))])]
    request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=plain)
    assert code_of(await client.ask(request, V2_PRODUCE)) == ErrorCode.NONE


async def test_where_nobody_has_transactions_there_is_no_log_of_them(live: Broker, client: Client) -> None:
    assert (await client.ask(ListTransactionsRequest(), 1)).transaction_states == []
    stranger = Mover(client)
    assert await stranger.state() == ""
    assert await stranger.end(commit=True) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert await stranger.init(timeout_ms=0) == ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert await Mover(client, "").init() == ErrorCode.INVALID_REQUEST
    producer = await Mover(client).take_over()
    assert (producer.producer_id, producer.epoch) == (0, 0)
    assert live.catalog.topics[TRANSACTIONS].is_internal


async def test_many_producers_do_not_disturb_each_other(live: Broker, client: Client) -> None:
    async def work(number: int) -> None:
        async with await Client.connect(live.address) as own:
            mover = await Mover(own, f"mover-{number}").take_over()
            for turn in range(10):
                assert await mover.produce(b"%d-%d" % (number, turn)) == ErrorCode.NONE
                assert await mover.end(commit=turn % 2 == 0) == ErrorCode.NONE

    await asyncio.gather(*(work(number) for number in range(8)))
    kept = await seen(client)
    assert sorted(kept) == sorted(b"%d-%d" % (number, turn) for number in range(8) for turn in range(0, 10, 2))  # type: ignore[type-var]
