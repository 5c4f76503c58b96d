"""Fetch: what is read, how much of it, and how long it waits."""

from __future__ import annotations

import asyncio

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create
from tests.broker.data import FETCH, batch, fetch, fetch_request, partitions_of, produce, values

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState

A_MINUTE_MS = 60_000
"""Longer than any test may take: a reply that waits so long was not given at all."""


async def until_waiting(broker: Broker, polls: int) -> None:
    async with asyncio.timeout(10):
        while len(broker.long_polls) != polls:
            await asyncio.sleep(0)


async def test_what_was_produced_comes_back_byte_for_byte_but_for_offset_and_epoch(client: Client) -> None:
    data = batch(b"a", b"b", timestamp_ms=5)
    await produce(client, batch(b"before"))
    await produce(client, data)
    found = (await fetch(client, ("orders", 0, 1)))["orders", 0]
    assert found.records is not None
    stored = bytes(found.records)
    assert stored[:8] == (1).to_bytes(8, "big")
    assert stored[8:12] + stored[16:] == data[8:12] + data[16:]
    assert (found.high_watermark, found.last_stable_offset, found.log_start_offset) == (3, 3, 0)


async def test_a_fetch_waits_until_records_come(live: Broker, client: Client) -> None:
    waiting = client.send(fetch_request(("orders", 0, 0), ("orders", 1, 0), max_wait_ms=A_MINUTE_MS), FETCH)
    await until_waiting(live, 1)
    async with await Client.connect(live.address) as producer:
        await produce(producer, batch(b"a"), index=1)
    found = partitions_of(await client.receive(waiting))
    assert values(found["orders", 1]) == [b"a"]
    assert values(found["orders", 0]) == []
    assert len(live.long_polls) == 0


async def test_a_fetch_waits_for_min_bytes_in_all(live: Broker, client: Client) -> None:
    data = batch(b"x" * 100)
    async with await Client.connect(live.address) as producer:
        await produce(producer, data)
        waiting = client.send(
            fetch_request(("orders", 0, 0), ("orders", 1, 0), max_wait_ms=A_MINUTE_MS, min_bytes=3 * len(data)), FETCH
        )
        await until_waiting(live, 1)
        await produce(producer, data, index=1)
        assert len(live.long_polls) == 1
        await produce(producer, data)
        found = partitions_of(await client.receive(waiting))
    assert (len(values(found["orders", 0])), len(values(found["orders", 1]))) == (2, 1)


async def test_a_fetch_gives_up_after_max_wait(client: Client) -> None:
    found = await fetch(client, ("orders", 0, 0), max_wait_ms=1)
    assert values(found["orders", 0]) == []


async def test_a_fetch_without_wait_answers_at_once(client: Client) -> None:
    assert values((await fetch(client, ("orders", 0, 0), min_bytes=1000))["orders", 0]) == []


async def test_only_fetches_of_the_partition_that_grew_are_woken(live: Broker, client: Client) -> None:
    async with await Client.connect(live.address) as other:
        waiting = client.send(fetch_request(("orders", 0, 0), max_wait_ms=A_MINUTE_MS), FETCH)
        other.send(fetch_request(("orders", 1, 0), max_wait_ms=A_MINUTE_MS), FETCH)
        await until_waiting(live, 2)
        async with await Client.connect(live.address) as producer:
            await produce(producer, batch(b"a"))
        await client.receive(waiting)
        assert len(live.long_polls) == 1


async def test_a_client_that_leaves_waits_no_more(live: Broker) -> None:
    async with await Client.connect(live.address) as client:
        client.send(fetch_request(("orders", 0, 0), max_wait_ms=A_MINUTE_MS), FETCH)
        await until_waiting(live, 1)
    await until_waiting(live, 0)


async def test_a_fetch_of_a_topic_that_is_deleted_is_told(live: Broker, client: Client) -> None:
    waiting = client.send(fetch_request(("orders", 0, 0), max_wait_ms=A_MINUTE_MS), FETCH)
    await until_waiting(live, 1)
    await live.catalog.delete([live.catalog.topics["orders"]])
    found = partitions_of(await client.receive(waiting))
    assert found["orders", 0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("offset", [-1, 2, 1 << 40])
async def test_an_offset_that_is_not_there_is_out_of_range_at_once(client: Client, offset: int) -> None:
    await produce(client, batch(b"a"))
    found = (await fetch(client, ("orders", 0, offset), ("orders", 1, 0), max_wait_ms=A_MINUTE_MS))["orders", 0]
    assert found.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert (found.high_watermark, found.records) == (-1, b"")


async def test_an_unknown_partition_is_told_beside_what_was_found(client: Client) -> None:
    await produce(client, batch(b"a"))
    found = await fetch(client, ("orders", 0, 0), ("orders", 2, 0), ("nothing", 0, 0))
    assert values(found["orders", 0]) == [b"a"]
    assert found["orders", 2].error_code == found["nothing", 0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_the_first_batch_is_whole_even_if_larger_than_every_limit(client: Client) -> None:
    for _ in range(2):
        await produce(client, batch(b"x" * 10_000))
        await produce(client, batch(b"y" * 10_000), index=1)
    found = await fetch(client, ("orders", 0, 0), ("orders", 1, 0), partition_max_bytes=1, max_bytes=1)
    assert [len(values(found["orders", index])) for index in (0, 1)] == [1, 0]


async def test_limits_hold_over_partitions_and_for_each(client: Client) -> None:
    data = batch(b"x" * 1000)
    for _ in range(10):
        await produce(client, data)
        await produce(client, data, index=1)
    size = len(data)
    found = await fetch(client, ("orders", 0, 0), ("orders", 1, 0), partition_max_bytes=4 * size)
    assert [len(values(found["orders", index])) for index in (0, 1)] == [4, 4]
    found = await fetch(client, ("orders", 0, 0), ("orders", 1, 0), max_bytes=12 * size)
    first, second = (len(values(found["orders", index])) for index in (0, 1))
    assert (first, second) == (10, 2)


async def test_topics_go_by_id_from_version_13_on(live: Broker, client: Client) -> None:
    await produce(client, batch(b"a"))
    topic_id = live.catalog.topics["orders"].id
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    request = FetchRequest(
        max_wait_ms=0,
        topics=[
            FetchTopic(topic_id=topic_id, partitions=[partition]),
            FetchTopic(topic_id=b"\1" * 16, partitions=[partition]),
        ],
    )
    known, unknown = (await client.ask(request, 18)).responses
    assert (known.topic_id, values(known.partitions[0])) == (topic_id, [b"a"])
    assert (unknown.topic_id, unknown.partitions[0].error_code) == (b"\1" * 16, ErrorCode.UNKNOWN_TOPIC_ID)


async def test_an_old_or_a_future_leader_epoch_is_refused(live: Broker, client: Client) -> None:
    epoch = live.catalog.partition("orders", 0).leader_epoch
    for asked, code in (
        (epoch, ErrorCode.NONE),
        (epoch - 1, ErrorCode.NONE if epoch == 0 else ErrorCode.FENCED_LEADER_EPOCH),
        (epoch + 1, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ):
        request = fetch_request(("orders", 0, 0))
        request.topics[0].partitions[0].current_leader_epoch = asked
        assert partitions_of(await client.ask(request, FETCH))["orders", 0].error_code == code


async def test_a_forged_replica_id_gains_nothing(live: Broker, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.durability, "settle", lambda *_: None)
    async with await Client.connect(live.address) as producer:
        producer.send(fetch_request(), FETCH)
        partition = live.catalog.partition("orders", 0)
        partition.append(bytearray(batch(b"unsynced")), now_ms=0)
        request = fetch_request(("orders", 0, 0), replica_id=1, replica_state=ReplicaState(replica_id=1))
        for version in (FETCH, 12, 4):
            found = partitions_of(await client.ask(request, version))["orders", 0]
            assert (found.high_watermark, values(found)) == (0, [])


async def test_read_committed_is_given_an_empty_list_of_aborted_transactions(client: Client) -> None:
    await produce(client, batch(b"a"))
    assert (await fetch(client, ("orders", 0, 0), isolation_level=1))["orders", 0].aborted_transactions == []
    assert (await fetch(client, ("orders", 0, 0), isolation_level=0))["orders", 0].aborted_transactions is None


class Session:
    """A consumer with a fetch session."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.session_id = 0
        self.epoch = 0

    async def fetch(
        self, *offsets: tuple[str, int, int], forget: tuple[str, int] | None = None, **settings: int
    ) -> dict[tuple[str, int], list[bytes | None]]:
        request = fetch_request(*offsets, session_id=self.session_id, session_epoch=self.epoch, **settings)
        if forget is not None:
            request.forgotten_topics_data = [ForgottenTopic(topic=forget[0], partitions=[forget[1]])]
        response = await self.client.ask(request, FETCH)
        assert response.error_code == ErrorCode.NONE
        self.session_id = response.session_id
        self.epoch += 1
        return {key: values(partition) for key, partition in partitions_of(response).items()}


async def test_a_session_is_told_only_what_changed(client: Client) -> None:
    session = Session(client)
    assert await session.fetch(("orders", 0, 0), ("orders", 1, 0)) == {("orders", 0): [], ("orders", 1): []}
    assert session.session_id > 0
    assert await session.fetch() == {}
    await produce(client, batch(b"a"), index=1)
    assert await session.fetch() == {("orders", 1): [b"a"]}
    assert await session.fetch(("orders", 1, 1)) == {}
    assert await session.fetch(("orders", 1, 0)) == {("orders", 1): [b"a"]}
    assert await session.fetch(forget=("orders", 1)) == {}


async def test_a_session_waits_for_all_its_partitions(live: Broker, client: Client) -> None:
    session = Session(client)
    await session.fetch(("orders", 0, 0), ("orders", 1, 0))
    task = asyncio.create_task(session.fetch(max_wait_ms=A_MINUTE_MS))
    await until_waiting(live, 1)
    async with await Client.connect(live.address) as producer:
        await produce(producer, batch(b"a"))
    assert await task == {("orders", 0): [b"a"]}


async def test_in_a_session_a_busy_partition_does_not_starve_a_quiet_one(client: Client) -> None:
    data = batch(b"x" * 1000)
    for _ in range(3):
        await produce(client, data)
        await produce(client, data, index=1)
    session = Session(client)
    replies = [await session.fetch(("orders", 0, 0), ("orders", 1, 0), max_bytes=1)]
    replies += [await session.fetch(max_bytes=1) for _ in range(2)]
    served = [key for reply in replies for key, found in reply.items() if found]
    assert served == [("orders", 0), ("orders", 1), ("orders", 0)]


async def test_a_session_that_is_not_there_is_an_error_of_the_whole_reply(client: Client) -> None:
    response = await client.ask(fetch_request(session_id=123, session_epoch=1), FETCH)
    assert (response.error_code, response.session_id) == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0)
    session = Session(client)
    await session.fetch(("orders", 0, 0))
    response = await client.ask(fetch_request(session_id=session.session_id, session_epoch=7), FETCH)
    assert response.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH


async def test_a_session_outlives_the_connection_it_was_made_on(live: Broker, client: Client) -> None:
    session = Session(client)
    await session.fetch(("orders", 0, 0))
    async with await Client.connect(live.address) as other:
        session.client = other
        assert await session.fetch() == {}


async def test_versions_before_sessions_get_everything_each_time(live: Broker, client: Client) -> None:
    await create(live, "old")
    for version in (4, 5, 6):
        response = await client.ask(fetch_request(("old", 0, 0)), version)
        assert list(partitions_of(response)) == [("old", 0)]
    assert len(live.fetch_sessions) == 0


async def test_stopping_answers_who_waits(live: Broker, client: Client) -> None:
    waiting = client.send(fetch_request(("orders", 0, 0), max_wait_ms=A_MINUTE_MS), FETCH)
    await until_waiting(live, 1)
    await live.close()
    assert values(partitions_of(await client.receive(waiting))["orders", 0]) == []
    assert await client.is_closed_by_broker()
