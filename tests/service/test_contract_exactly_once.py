"""Exactly once, whichever transport carries it: what a handler leads to is seen all or not at all, and never twice.

The other half of the contract's suite (`test_contract`): memory, our broker, and Apache Kafka.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.service.contract import (
    WAIT_S,
    Collector,
    MortalTransport,
    Shop,
    collect,
    numbers,
    read_all,
    read_until,
    write,
)

from tidings import Retry, Service, event
from tidings.service.transports.base import (
    Mark,
    NotWrittenError,
    Outgoing,
    Received,
    StaleError,
    StreamSpec,
    Transport,
)

BEYOND = "done:AwI="
"""Three offsets that are not done, two that are (see `progress`)."""


class Member:
    """A member of a group that makes transactions."""

    def __init__(self, transport: Transport, group: str, *streams: str) -> None:
        self.owner = Collector()
        self.consumer = transport.consumer(group, streams, self.owner)
        self.transactor = self.consumer.transactor()

    async def read(self, count: int) -> list[Received]:
        return await collect(self.consumer.poll, count)

    async def leave(self) -> None:
        await self.transactor.close()
        await self.consumer.close({})


def plain(stream: str, count: int, value: bytes = b"v") -> list[Outgoing]:
    return [Outgoing(stream, b"k", value + str(n).encode(), []) for n in range(count)]


# Transactions.


async def test_records_of_a_transaction_and_the_mark_are_there_together(transport: Transport, unique: str) -> None:
    source, left, right, group = f"in-{unique}", f"left-{unique}", f"right-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(source, 1, {}), StreamSpec(left, 3, {}), StreamSpec(right, 1, {})])
    await write(transport, plain(source, 9))
    first = Member(transport, group, source)
    assert len(await first.read(9)) == 9
    assert first.owner.marks == {(source, 0): None}
    records = [
        Outgoing(left, b"a", b"1", [("n", b"1"), ("x", None)]),
        Outgoing(right, b"a", b"2", []),
        Outgoing(left, b"a", None, []),
        Outgoing(right, None, b"3", []),
        Outgoing(left, b"a", b"", []),
    ]
    async with asyncio.timeout(WAIT_S):
        await first.transactor.commit(records, {(source, 0): Mark(2, BEYOND)})
    await first.leave()
    assert [record[4:] for record in await read_all(transport, right)] == [(b"a", b"2", None), (None, b"3", None)]
    seen = await read_all(transport, left)
    assert [record.value for record in seen] == [b"1", None, b""]
    assert list(seen[0].headers or ()) == [("n", b"1"), ("x", None)]
    second = Member(transport, group, source)
    found = await second.read(7)
    assert second.owner.marks == {(source, 0): Mark(2, BEYOND)}
    assert [record.offset for record in found] == list(range(2, 9))
    await second.leave()


async def test_transactions_follow_each_other_and_the_last_mark_holds(transport: Transport, unique: str) -> None:
    source, out, group = f"in-{unique}", f"out-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(source, 1, {}), StreamSpec(out, 1, {})])
    await write(transport, plain(source, 12))
    first = Member(transport, group, source)
    await first.read(12)
    async with asyncio.timeout(WAIT_S):
        for n in range(10):
            await first.transactor.commit(plain(out, 3, f"{n}-".encode()), {(source, 0): Mark(n + 1)})
    await first.leave()
    values = [f"{n}-{index}".encode() for n in range(10) for index in range(3)]
    assert [record.value for record in await read_all(transport, out)] == values
    second = Member(transport, group, source)
    assert [record.offset for record in await second.read(2)] == [10, 11]
    await second.leave()


async def test_end_behind_the_marker_of_a_transaction_is_told(transport: Transport, unique: str) -> None:
    source, out, group = f"in-{unique}", f"out-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(source, 1, {}), StreamSpec(out, 1, {})])
    await write(transport, plain(source, 1))
    member = Member(transport, group, source)
    await member.read(1)
    async with asyncio.timeout(WAIT_S):
        await member.transactor.commit(plain(out, 2), {(source, 0): Mark(1)})
    await member.leave()
    state = await transport.stream_state(out)
    assert state.ends == {0: 3}
    reader, consumer = transport.reader(out, {0: 0}), transport.consumer(f"behind-{unique}", [out], Collector())
    for reading in (reader, consumer):
        found: list[int] = []
        async with asyncio.timeout(WAIT_S):
            while True:
                batch = await reading.poll()
                found += [record.offset for record in batch.records]
                if batch.ends.get((out, 0)) == 3:
                    break
        assert found == [0, 1]
    await reader.close()
    await consumer.close({})


async def test_record_that_is_refused_leaves_nothing_of_its_transaction(transport: Transport, unique: str) -> None:
    source, out, group = f"in-{unique}", f"out-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(source, 1, {}), StreamSpec(out, 1, {})])
    await write(transport, plain(source, 2))
    first = Member(transport, group, source)
    await first.read(2)
    small, large = Outgoing(out, b"k", b"v", []), Outgoing(out, b"k", b"x" * 2_000_000, [])
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(NotWrittenError) as caught:
            await first.transactor.commit([small, large, small], {(source, 0): Mark(2)})
        assert set(caught.value.refused) == {1}
        assert await read_all(transport, out) == []
        await first.transactor.commit([small], {(source, 0): Mark(1)})
    await first.leave()
    assert [record.value for record in await read_all(transport, out)] == [b"v"]
    second = Member(transport, group, source)
    assert [record.offset for record in await second.read(1)] == [1]
    await second.leave()


async def test_member_whose_partitions_are_with_another_writes_nothing(transport: Transport, unique: str) -> None:
    source, out, group = f"in-{unique}", f"out-{unique}", f"group-{unique}"
    await transport.ensure_streams([StreamSpec(source, 1, {}), StreamSpec(out, 1, {})])
    await write(transport, plain(source, 2))
    stale = Member(transport, group, source)
    await stale.read(2)
    await stale.consumer.close({})
    heir = Member(transport, group, source)
    await heir.read(2)
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(StaleError):
            await stale.transactor.commit(plain(out, 2, b"stale"), {(source, 0): Mark(2)})
        await heir.transactor.commit(plain(out, 2, b"heir"), {(source, 0): Mark(2)})
    await stale.transactor.close()
    await heir.leave()
    assert [record.value for record in await read_all(transport, out)] == [b"heir0", b"heir1"]


# Whole services.


async def emit(shop: Shop, *orders: tuple[str, int]) -> None:
    """Orders, as somebody outside places them."""
    async with shop.service("orders") as service:
        for key, n in orders:
            await service.emit(shop.order(key, n))


def shipping_of(shop: Shop, handled: list[int], transport: Any = None) -> Service:
    """Ships whatever is ordered, and says what it had in hands."""
    Order: Any = shop.order
    Shipped: Any = shop.shipped
    service = shop.service("shipping", transport)

    @service.on
    async def dispatch(order: Order) -> Shipped:
        handled.append(order.n)
        return Shipped(order.id, order.n)

    return service


async def test_service_says_that_it_does_everything_once(shop: Shop) -> None:
    assert {read["delivery"] for read in shipping_of(shop, []).describe().reads} == {"exactly once"}


async def test_failed_attempts_leave_nothing_and_the_one_that_succeeds_leaves_all(
    shop: Shop, transport: Transport
) -> None:
    Order: Any = shop.order
    Shipped: Any = shop.shipped
    shipping = shop.service("shipping")
    attempts: Counter[str] = Counter()

    @shipping.on(retry=Retry(5, backoff="1ms"))
    async def dispatch(order: Order) -> AsyncIterator[Shipped]:
        attempts[order.id] += 1
        await shipping.emit(Shipped(order.id, 10 * order.n))
        for n in range(1, 4):
            yield Shipped(order.id, 10 * order.n + n)
        if attempts[order.id] < 3:
            raise ConnectionError("not yet")

    await emit(shop, *((f"o-{n}", n) for n in range(12)))
    async with shipping:
        seen = await read_until(transport, shop.shipments_stream, 48)
    assert set(attempts.values()) == {3}
    by_order = defaultdict(list)
    for record, n in zip(seen, numbers(seen), strict=True):
        by_order[record.key].append(n)
    assert by_order == {f"o-{n}".encode(): [10 * n + index for index in range(4)] for n in range(12)}


async def test_handler_that_gives_up_leaves_its_dead_letter_and_nothing_else(shop: Shop, transport: Transport) -> None:
    Order: Any = shop.order
    Shipped: Any = shop.shipped
    shipping = shop.service("shipping")

    @shipping.on(retry=Retry(2, backoff="1ms"))
    async def dispatch(order: Order) -> Shipped:
        await shipping.emit(Shipped(order.id, 100 + order.n))
        if order.n % 2:
            raise ValueError("odd")
        return Shipped(order.id, order.n)

    await emit(shop, *((f"o-{n}", n) for n in range(6)))
    async with shipping:
        letters = await read_until(transport, shop.dead_letters("shipping"), 3)
        seen = await read_until(transport, shop.shipments_stream, 6)
    assert sorted(numbers(letters)) == [1, 3, 5]
    assert sorted(numbers(seen)) == [0, 2, 4, 100, 102, 104]


@pytest.mark.parametrize("lands", [False, True], ids=["before the end", "after the end"])
async def test_crash_around_a_transaction_doubles_nothing_and_loses_nothing(
    shop: Shop, transport: Transport, lands: bool
) -> None:
    await emit(shop, *((f"o-{n % 5}", n) for n in range(40)))
    first: list[int] = []
    second: list[int] = []
    mortal = MortalTransport(shop.open_transport(), 1, lands=lands)
    dying = shipping_of(shop, first, lambda: mortal)
    async with asyncio.timeout(WAIT_S):
        await dying.start()
        await mortal.is_dead.wait()
        await mortal.bury(dying)
        landed = numbers(await read_all(transport, shop.shipments_stream))
        async with shipping_of(shop, second):
            seen = await read_until(transport, shop.shipments_stream, 40)
    assert bool(landed) == lands
    assert sorted(numbers(seen)) == list(range(40))
    assert not set(landed) & set(second)
    assert set(first) & set(second) == set(first) - set(landed)
    for key in range(5):
        of_key = [record for record in seen if record.key == f"o-{key}".encode()]
        assert numbers(of_key) == list(range(key, 40, 5))


@pytest.mark.parametrize("lands", [False, True], ids=["before the end", "after the end"])
async def test_dead_letter_and_position_move_together(shop: Shop, transport: Transport, lands: bool) -> None:
    def failing(handled: list[int], transport: Any = None) -> Service:
        Order: Any = shop.order
        service = shop.service("shipping", transport)

        @service.on(retry=Retry(1, park=False))
        async def dispatch(order: Order) -> None:
            handled.append(order.n)
            raise ValueError("no")

        return service

    await emit(shop, ("o-1", 1))
    first: list[int] = []
    second: list[int] = []
    mortal = MortalTransport(shop.open_transport(), 1, lands=lands)
    dying = failing(first, lambda: mortal)
    async with asyncio.timeout(WAIT_S):
        await dying.start()
        await mortal.is_dead.wait()
        await mortal.bury(dying)
        async with failing(second):
            await emit(shop, ("o-1", 2))  # of the same key: handled when the one before it is done
            letters = await read_until(transport, shop.dead_letters("shipping"), 2)
    assert numbers(letters) == [1, 2]
    assert first == [1]
    assert second == ([2] if lands else [1, 2])


async def test_what_is_done_behind_one_that_is_stuck_is_not_done_again(shop: Shop, transport: Transport) -> None:
    def shipping(handled: list[int], transport: Any = None) -> Service:
        Order: Any = shop.order
        Shipped: Any = shop.shipped
        service = shop.service("shipping", transport)

        @service.on
        async def dispatch(order: Order) -> Shipped:
            if order.id == "stuck":
                await may_go.wait()
            handled.append(order.n)
            return Shipped(order.id, order.n)

        return service

    may_go = asyncio.Event()
    await transport.ensure_streams([StreamSpec(shop.orders_stream, 1, {})])
    await emit(shop, ("stuck", 0), *((f"o-{n % 7}", n) for n in range(1, 30)))
    first: list[int] = []
    second: list[int] = []
    mortal = MortalTransport(shop.open_transport(), -1, lands=False)
    dying = shipping(first, lambda: mortal)
    async with asyncio.timeout(WAIT_S):
        await dying.start()
        await read_until(transport, shop.shipments_stream, 29)
        await mortal.bury(dying)
        may_go.set()
        async with shipping(second):
            seen = await read_until(transport, shop.shipments_stream, 30)
    assert sorted(first) == list(range(1, 30))
    assert second == [0]
    assert sorted(numbers(seen)) == list(range(30))


async def test_order_of_each_key_is_kept_under_failures_and_with_many_workers(shop: Shop, transport: Transport) -> None:
    Order: Any = shop.order
    Shipped: Any = shop.shipped
    shipping = shop.service("shipping")
    attempts: Counter[int] = Counter()

    @shipping.on(retry=Retry(4, backoff="1ms"))
    async def dispatch(order: Order) -> list[Shipped]:
        attempts[order.n] += 1
        await asyncio.sleep(order.n % 3 / 1000)
        if attempts[order.n] <= order.n * 7 % 4:
            raise ConnectionError("not yet")
        return [Shipped(order.id, 2 * order.n), Shipped(order.id, 2 * order.n + 1)]

    await emit(shop, *((f"o-{n % 8}", n) for n in range(120)))
    async with shipping:
        seen = await read_until(transport, shop.shipments_stream, 240)
    assert len(seen) == 240
    by_key = defaultdict(list)
    for record, n in zip(seen, numbers(seen), strict=True):
        by_key[record.key].append(n)
    for key in range(8):
        assert by_key[f"o-{key}".encode()] == [2 * n + half for n in range(key, 120, 8) for half in (0, 1)]


async def test_events_that_lead_to_nothing_and_records_without_a_value_are_passed_for_good(
    shop: Shop, transport: Transport
) -> None:
    def make(handled: list[int]) -> Service:
        Order: Any = shop.order
        Shipped: Any = shop.shipped
        service = shop.service("shipping")

        @service.on
        async def dispatch(order: Order) -> Shipped | None:
            handled.append(order.n)
            return Shipped(order.id, order.n) if order.n == 9 else None

        return service

    first: list[int] = []
    second: list[int] = []
    await transport.ensure_streams([StreamSpec(shop.orders_stream, 1, {})])
    await emit(shop, *((f"o-{n}", n) for n in range(5)))
    await write(transport, [Outgoing(shop.orders_stream, b"o-1", None, [])])
    await emit(shop, ("o-9", 9))
    async with make(first):
        seen = await read_until(transport, shop.shipments_stream, 1)
    assert numbers(seen) == [9]
    async with make(second):
        await emit(shop, ("o-9", 9))
        seen = await read_until(transport, shop.shipments_stream, 2)
    assert sorted(first) == [0, 1, 2, 3, 4, 9]
    assert second == [9]
    assert numbers(seen) == [9, 9]


async def test_members_that_come_and_go_double_nothing(shop: Shop, transport: Transport) -> None:
    """A rebalance finishes what is in hand, or leaves it to who comes next; never both."""
    placed = 0

    async def place(orders: Service) -> None:
        nonlocal placed
        for n in range(placed, placed + 20):
            await orders.emit(shop.order(f"o-{n % 20}", n))
        placed += 20

    async with asyncio.timeout(2 * WAIT_S), shipping_of(shop, []), shop.service("orders") as orders:
        for _ in range(2):
            guests: list[int] = []
            async with shipping_of(shop, guests):
                while not guests:  # the group takes its time to deal it some partitions
                    await place(orders)
            await place(orders)
        seen = await read_until(transport, shop.shipments_stream, placed)
    assert sorted(numbers(seen)) == list(range(placed))
    for key in range(20):
        of_key = [record for record in seen if record.key == f"o-{key}".encode()]
        assert numbers(of_key) == list(range(key, placed, 20))


async def test_chain_of_services_carries_each_event_through_once(shop: Shop, transport: Transport, unique: str) -> None:
    """What the first service commits is what the second reads, markers and all, and so on."""

    @event(f"invoices-{unique}", key="id")
    class Invoiced(msgspec.Struct, frozen=True):
        id: str
        n: int

    Shipped: Any = shop.shipped
    billing = shop.service("billing")

    @billing.on
    async def bill(shipped: Shipped) -> Invoiced:
        return Invoiced(shipped.id, shipped.n)

    async with shipping_of(shop, []), billing:
        await emit(shop, *((f"o-{n % 4}", n) for n in range(40)))
        seen = await read_until(transport, f"invoices-{unique}", 40)
    assert sorted(numbers(seen)) == list(range(40))
