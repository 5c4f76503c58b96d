"""What the contract's tests are written with: owners, reading to the end, a shop, and a transport that dies on time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from tidings import Position, Service, event
from tidings.errors import UnavailableError
from tidings.service.connection import OpenTransport
from tidings.service.transports.base import (
    Batch,
    Consumer,
    Mark,
    Outgoing,
    Owner,
    Place,
    Producer,
    Reader,
    Received,
    StreamSpec,
    StreamState,
    Transactor,
    Transport,
)

WAIT_S = 30


class Collector:
    """An owner that takes whatever it is given."""

    def __init__(self) -> None:
        self.mine: set[Place] = set()
        self.marks: dict[Place, Mark | None] = {}
        """What the group had noted of each when it came."""
        self.positions: dict[Place, int] = {}
        self.changed = asyncio.Event()

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        self.mine.update(marks)
        self.marks.update(marks)
        self.changed.set()

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        self.mine.difference_update(places)
        self.changed.set()
        return {place: Mark(self.positions[place]) for place in places if place in self.positions}

    def lost(self, places: Collection[Place]) -> None:
        self.mine.difference_update(places)

    def take(self, batch: Batch) -> None:
        for record in batch.records:
            self.positions[record.stream, record.partition] = record.offset + 1


async def write(transport: Transport, records: list[Outgoing]) -> list[Position]:
    producer = transport.producer(10)
    done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    producer.send(records, done.set_result)
    outcomes = await asyncio.wait_for(done, WAIT_S)
    await producer.close(5)
    assert all(isinstance(outcome, Position) for outcome in outcomes)
    return outcomes


async def collect(poll: Callable[[], Awaitable[Batch]], count: int) -> list[Received]:
    """The next `count` records, or a few more."""
    found: list[Received] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            found += (await poll()).records
    return found


async def state_of(transport: Transport, stream: str) -> StreamState:
    """How a stream is; a new one may be without a leader for a moment."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await transport.stream_state(stream)
            except UnavailableError:
                await asyncio.sleep(0.02)


async def read_all(transport: Transport, stream: str) -> list[Received]:
    """What stands in a stream at this moment and counts; each partition in its order."""
    state = await state_of(transport, stream)
    reader = transport.reader(stream, dict(state.begins))
    found: list[Received] = []
    behind = {(stream, partition): end for partition, end in state.ends.items() if end > state.begins[partition]}
    async with asyncio.timeout(WAIT_S):
        while behind:
            batch = await reader.poll()
            found += batch.records
            behind = {place: end for place, end in behind.items() if batch.ends.get(place, -1) < end}
    await reader.close()
    return found


async def read_until(transport: Transport, stream: str, count: int) -> list[Received]:
    """What counts in a stream once there are `count` records, and whatever comes with the last of them."""
    async with asyncio.timeout(WAIT_S):
        reader = transport.reader(stream, dict((await state_of(transport, stream)).begins))
        await collect(reader.poll, count)
        await reader.close()
    return await read_all(transport, stream)


class Shop:
    """Two event types in streams of their own, and services with names of their own."""

    def __init__(self, unique: str, open_transport: OpenTransport) -> None:
        self.unique = unique
        self.open_transport = open_transport

        @event(f"orders-{unique}", key="id")
        class Order(msgspec.Struct, frozen=True):
            id: str
            n: int

        @event(f"shipments-{unique}", key="id")
        class Shipped(msgspec.Struct, frozen=True):
            id: str
            n: int

        self.order, self.shipped = Order, Shipped
        self.orders_stream, self.shipments_stream = f"orders-{unique}", f"shipments-{unique}"

    def service(self, name: str, transport: OpenTransport | None = None) -> Service:
        return Service(f"{name}-{self.unique}", transport=transport or self.open_transport)

    def dead_letters(self, name: str) -> str:
        return f"{name}-{self.unique}.dead-letters"


def numbers(records: Sequence[Received]) -> list[int]:
    """The `n` of a shop's events, as they stand."""
    return [msgspec.json.decode(record.value or b"")["n"] for record in records]


class MortalTransport:
    """Any transport, but one of its transactions is the last thing that is ever heard of it.

    `last` says which one; it is not begun, or, if `lands`, it is committed, but nobody hears of that. From then on
    nothing that goes through here has an effect. `is_dead` is set, and `bury` lets the others of the group know.
    """

    def __init__(self, inner: Transport, last: int, *, lands: bool) -> None:
        self._inner = inner
        self.last = last
        self.lands = lands
        self.is_dead = asyncio.Event()
        self._consumers: list[Consumer] = []
        self._transactors: list[Transactor] = []

    def producer(self, timeout_s: float | None) -> Producer:
        return self._inner.producer(timeout_s)

    def consumer(self, group: str, streams: Collection[str], owner: Owner, *, together: bool = False) -> Consumer:
        consumer = self._inner.consumer(group, streams, owner, together=together)
        self._consumers.append(consumer)
        return _MortalConsumer(self, consumer)

    def reader(self, stream: str, offsets: Mapping[int, int]) -> Reader:
        return self._inner.reader(stream, offsets)

    async def ensure_streams(self, streams: Sequence[StreamSpec]) -> None:
        await self._inner.ensure_streams(streams)

    async def stream_state(self, stream: str) -> StreamState:
        return await self._inner.stream_state(stream)

    async def written_ends(self, stream: str) -> Mapping[int, int]:
        return await self._inner.written_ends(stream)

    async def close(self) -> None:
        await self._inner.close()

    def transactor_of(self, consumer: Consumer) -> Transactor:
        transactor = consumer.transactor()
        self._transactors.append(transactor)
        return _MortalTransactor(self, transactor)

    async def bury(self, service: Service) -> None:
        """Stop the service as dead as it is, and give its partitions back: the group need not wait for its session to
        time out."""
        self.is_dead.set()
        await service.halt()
        for transactor in self._transactors:
            await transactor.close()
        for consumer in self._consumers:
            await consumer.close({})
        await self.close()


class _MortalConsumer:
    def __init__(self, transport: MortalTransport, inner: Consumer) -> None:
        self._transport = transport
        self._inner = inner
        self.poll = inner.poll

    def commit(self, marks: Mapping[Place, Mark]) -> None:
        if not self._transport.is_dead.is_set():
            self._inner.commit(marks)

    def transactor(self) -> Transactor:
        return self._transport.transactor_of(self._inner)

    async def close(self, marks: Mapping[Place, Mark]) -> None:
        await self._inner.close(marks)


class _MortalTransactor:
    def __init__(self, transport: MortalTransport, inner: Transactor) -> None:
        self._transport = transport
        self._inner = inner

    async def commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        if self._transport.is_dead.is_set():
            await never()
        self._transport.last -= 1
        if self._transport.last:
            await self._inner.commit(records, marks)
            return
        if self._transport.lands:
            await self._inner.commit(records, marks)
        self._transport.is_dead.set()
        await never()

    async def close(self) -> None:
        if not self._transport.is_dead.is_set():
            await self._inner.close()


async def never() -> None:
    """Does not return; whoever waits for it is cancelled."""
    await asyncio.get_running_loop().create_future()
