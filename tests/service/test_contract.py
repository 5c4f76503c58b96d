"""What services may rely on, whichever transport carries them: one suite for memory, our broker, and Apache Kafka.

That nothing is lost and nothing doubled is in `test_contract_exactly_once`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.service.contract import WAIT_S, Collector, Shop, collect, write

from tidings import EventRecord, Position, Retry, Service
from tidings.errors import TidingsError
from tidings.service.outlet import send_and_wait
from tidings.service.partitioner import partition_of
from tidings.service.transports.base import Mark, Outgoing, StreamSpec, Transport


async def test_records_come_back_as_they_were_written_in_order_per_partition(transport: Transport, unique: str) -> None:
    stream = f"order-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 3, {})])
    sent = [
        Outgoing(
            stream, f"k{n % 7}".encode(), b"" if n == 5 else f"v{n}".encode(), [("n", str(n).encode()), ("x", None)]
        )
        for n in range(100)
    ]
    sent.append(Outgoing(stream, b"k1", None, []))
    positions = await write(transport, sent)
    reader = transport.reader(stream, {0: 0, 1: 0, 2: 0})
    found = await collect(reader.poll, 101)
    await reader.close()
    by_position = {(record.partition, record.offset): record for record in found}
    for position, outgoing in zip(positions, sent, strict=True):
        record = by_position[position.partition, position.offset]
        assert (record.key, record.value, list(record.headers or ())) == outgoing[1:]
    for partition in range(3):
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_key_goes_to_the_partition_that_javas_client_would_choose(transport: Transport, unique: str) -> None:
    stream = f"murmur-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 5, {})])
    keys = [f"order-{n}".encode() for n in range(50)]
    positions = await write(transport, [Outgoing(stream, key, b"{}", []) for key in keys])
    assert [position.partition for position in positions] == [partition_of(key, 5) for key in keys]


async def test_creating_a_stream_that_exists_changes_nothing(transport: Transport, unique: str) -> None:
    spec = StreamSpec(f"again-{unique}", 2, {})
    await transport.ensure_streams([spec])
    before = await transport.stream_state(spec.name)
    await transport.ensure_streams([spec, StreamSpec(spec.name, 9, {})])
    assert await transport.stream_state(spec.name) == before
    assert before.begins == before.ends == {0: 0, 1: 0}
    assert before.id


async def test_state_of_a_stream_tells_its_ends(transport: Transport, unique: str) -> None:
    stream = f"ends-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 1, {})])
    await write(transport, [Outgoing(stream, b"k", b"v", [])] * 3)
    state = await transport.stream_state(stream)
    assert state.ends == {0: 3}


async def test_reader_begins_where_it_is_told_and_says_when_it_reached_the_end(
    transport: Transport, unique: str
) -> None:
    stream = f"reader-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 1, {})])
    await write(transport, [Outgoing(stream, b"k", str(n).encode(), []) for n in range(5)])
    reader = transport.reader(stream, {0: 3})
    values: list[bytes | None] = []
    async with asyncio.timeout(WAIT_S):
        while True:
            batch = await reader.poll()
            values += [record.value for record in batch.records]
            if batch.ends.get((stream, 0)) == 5:
                break
    await reader.close()
    assert values == [b"3", b"4"]


async def test_group_resumes_where_it_committed(transport: Transport, unique: str) -> None:
    stream, group = f"resume-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 1, {})])
    await write(transport, [Outgoing(stream, b"k", str(n).encode(), []) for n in range(6)])
    first = transport.consumer(group, [stream], Collector())
    assert len(await collect(first.poll, 6)) == 6
    await first.close({(stream, 0): Mark(4)})
    second = transport.consumer(group, [stream], Collector())
    found = await collect(second.poll, 2)
    await second.close({})
    assert [record.value for record in found] == [b"4", b"5"]


async def test_group_that_never_committed_begins_at_the_start(transport: Transport, unique: str) -> None:
    stream = f"start-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 1, {})])
    await write(transport, [Outgoing(stream, b"k", b"v", [])] * 2)
    consumer = transport.consumer(f"late-{unique}", [stream], Collector())
    assert [record.offset for record in await collect(consumer.poll, 2)] == [0, 1]
    await consumer.close({})


async def test_members_share_the_partitions_and_take_over_those_of_one_that_leaves(
    transport: Transport, unique: str
) -> None:
    stream, group = f"share-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 4, {})])
    owners = Collector(), Collector()
    members = [transport.consumer(group, [stream], owner) for owner in owners]
    polling = [asyncio.create_task(keep_polling(member, owner)) for member, owner in zip(members, owners, strict=True)]
    await changes(owners, lambda: len(owners[0].mine) == len(owners[1].mine) == 2)
    assert owners[0].mine.isdisjoint(owners[1].mine)
    await stop_polling(polling[0])
    await members[0].close({})
    await changes(owners, lambda: len(owners[1].mine) == 4)
    await stop_polling(polling[1])
    await members[1].close({})


async def keep_polling(member: Any, owner: Collector) -> None:
    while True:
        owner.take(await member.poll())


async def stop_polling(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def changes(owners: tuple[Collector, ...], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            waits = [asyncio.ensure_future(owner.changed.wait()) for owner in owners]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for owner, wait in zip(owners, waits, strict=True):
                owner.changed.clear()
                wait.cancel()


async def test_record_that_is_too_large_is_refused_and_the_next_goes_through(transport: Transport, unique: str) -> None:
    stream = f"large-{unique}"
    await transport.ensure_streams([StreamSpec(stream, 1, {})])
    producer = transport.producer(10)
    outcome = await send_and_wait(producer.send, Outgoing(stream, b"k", b"x" * 2_000_000, []))
    assert isinstance(outcome, TidingsError)
    assert isinstance(await send_and_wait(producer.send, Outgoing(stream, b"k", b"v", [])), Position)
    await producer.close(5)


# Whole services.


async def test_what_a_handler_returns_reaches_the_next_service_in_order_per_key(shop: Shop) -> None:
    Order: Any = shop.order
    Shipped: Any = shop.shipped
    orders, shipping, watching = shop.service("orders"), shop.service("shipping"), shop.service("watching")
    seen: asyncio.Queue[tuple[EventRecord[Any], Any]] = asyncio.Queue()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        if order.n % 3 == 0:
            await asyncio.sleep(0)
        return Shipped(order.id, order.n)

    @watching.on
    async def watch(shipped: Shipped, record: EventRecord[Any]) -> None:
        seen.put_nowait((record, shipped))

    async with asyncio.timeout(WAIT_S), orders, shipping, watching:
        for n in range(60):
            await orders.emit(Order(f"o-{n % 5}", n))
        found = [await seen.get() for _ in range(60)]
    for key in range(5):
        assert [one.n for _, one in found if one.id == f"o-{key}"] == list(range(key, 60, 5))
    assert len({record.id for record, _ in found}) == 60
    assert all(record.causation_id and record.correlation_id == record.causation_id for record, _ in found)


async def test_dead_letter_is_written_whole(shop: Shop, transport: Transport) -> None:
    Order: Any = shop.order
    shipping = shop.service("shipping")

    @shipping.on(retry=Retry(2, backoff="1ms"))
    async def dispatch(order: Order) -> None:
        raise ValueError("no")

    async with asyncio.timeout(WAIT_S), shipping:
        await shipping.emit(Order("o-1", 1))
        reader = transport.reader(f"{shipping.name}.dead-letters", {0: 0})
        (letter,) = await collect(reader.poll, 1)
        await reader.close()
    told = dict(letter.headers or ())
    assert letter.value == b'{"id":"o-1","n":1}'
    assert told["dead_attempts"] == b"2"
    assert told["ce_type"] == b"Order"


async def test_table_reads_what_was_written_and_goes_on_after_a_restart(shop: Shop, state_folder: Path) -> None:
    Order: Any = shop.order
    async with asyncio.timeout(WAIT_S):
        for start in range(2):
            service = shop.service("keeping")
            table = service.table(Order)
            async with service:
                assert len(table) == start * 10
                for n in range(10):
                    position = await service.emit(Order(f"o-{start}-{n}", n))
                assert (await table.at(position))[f"o-{start}-9"].n == 9
                assert len(list(table.items())) >= start * 10 + 1
                async with asyncio.TaskGroup() as group:
                    for n in range(10):
                        group.create_task(wait_at(table, await service.emit(Order(f"o-{start}-{n}", n))))
                assert len(table) == start * 10 + 10
    assert os.listdir(state_folder / f"keeping-{shop.unique}")


async def wait_at(table: Any, position: Position) -> None:
    await table.at(position)


async def test_service_that_was_away_handles_what_it_missed_and_nothing_twice(shop: Shop) -> None:
    handled: asyncio.Queue[int] = asyncio.Queue()
    Order: Any = shop.order

    def make() -> Service:
        Order: Any = shop.order
        shipping = shop.service("shipping")

        @shipping.on
        async def dispatch(order: Order) -> None:
            handled.put_nowait(order.n)

        return shipping

    orders = shop.service("orders")
    async with asyncio.timeout(WAIT_S), orders:
        async with make():
            await orders.emit(Order("a", 0))
            assert await handled.get() == 0
        for n in range(1, 20):
            await orders.emit(Order(f"k-{n}", n))
        async with make():
            assert sorted([await handled.get() for _ in range(19)]) == list(range(1, 20))
    assert handled.empty()
