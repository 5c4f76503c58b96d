"""What becomes of an event in a service: handled, tried again, or a dead letter; and what it leads to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from tidings import EventRecord, Position, Retry, Service, event
from tidings.errors import DeclarationError, UnavailableError
from tidings.events.context import EventContext, using
from tidings.events.envelope import Envelope
from tidings.events.ids import derived_id
from tidings.events.serdes import EncodeError
from tidings.service.clock import ManualClock
from tidings.service.outlet import NotSentError
from tidings.service.transports.base import Outgoing, Received, RefusedError
from tidings.service.transports.memory import MemoryBroker

Until = Callable[[Callable[[], object]], Awaitable[None]]


@event("hd-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


@event("hd-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


@event("hd-mixed", key="id")
class Apple(msgspec.Struct, frozen=True):
    id: str


@event("hd-mixed", key="id")
class Pear(msgspec.Struct, frozen=True):
    id: str


@pytest.fixture
def shipping(memory: MemoryBroker, clock: ManualClock) -> Service:
    return Service("shipping", transport=memory.transport, clock=clock)


def headers(record: Received) -> dict[str, str]:
    return {name: (value or b"").decode(errors="replace") for name, value in record.headers or ()}


def dead(memory: MemoryBroker) -> list[dict[str, str]]:
    return [headers(record) for record in memory.records("shipping.dead-letters")]


def events(memory: MemoryBroker, stream: str) -> list[bytes | None]:
    return [record.value for record in memory.records(stream)]


def committed(memory: MemoryBroker, stream: str = "hd-orders") -> int:
    return sum(offset for (name, _), offset in memory.groups["shipping"].offsets.items() if name == stream)


# What a handler leads to.


async def test_returned_event_is_emitted_with_its_cause_and_its_workflow(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id)

    async with shipping:
        with using(EventContext(request_id="r-1", client_address="10.0.0.9")):
            await shipping.emit(Order("o-1"))
        await until(lambda: memory.records("hd-shipments"))
    order, shipped = memory.records("hd-orders")[0], memory.records("hd-shipments")[0]
    assert shipped.key == b"o-1"
    assert shipped.value == b'{"id":"o-1"}'
    cause, effect = Envelope(order.headers), Envelope(shipped.headers)
    assert effect.causation_id == cause.id
    assert effect.correlation_id == cause.correlation_id == cause.id
    assert effect.request_id == "r-1"
    assert effect.client_address == "10.0.0.9"
    assert effect.source == "/shipping"
    assert (effect.traceparent or "")[:35] == (cause.traceparent or "")[:35]


async def test_redelivery_gives_the_same_id_again(memory: MemoryBroker, clock: ManualClock, until: Until) -> None:
    def make() -> Service:
        service = Service("shipping", transport=memory.transport, clock=clock)

        @service.on
        async def dispatch(order: Order) -> list[Shipped]:
            await service.emit(Shipped("explicit"))
            return [Shipped("first"), Shipped("second")]

        return service

    async with make() as service:
        await service.emit(Order("o-1"))
        await until(lambda: len(memory.records("hd-shipments")) == 3)
    memory.groups.clear()  # as if nothing had ever been committed
    async with make():
        await until(lambda: len(memory.records("hd-shipments")) == 6)
    ids = sorted(headers(record)["ce_id"] for record in memory.records("hd-shipments"))
    assert ids[::2] == ids[1::2]
    assert len(set(ids)) == 3


async def test_position_waits_until_what_was_emitted_is_acknowledged(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    handled = asyncio.Event()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        memory.go_away()
        handled.set()
        return Shipped(order.id)

    async with shipping:
        await shipping.emit(Order("o-1"))
        await handled.wait()
        clock.advance(10)
        assert committed(memory) == 0
        memory.come_back()
        await until(lambda: memory.records("hd-shipments"))
    assert committed(memory) == 1


async def test_handlers_of_every_kind_emit_what_they_give(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on
    def in_a_thread(order: Order) -> Shipped:
        assert threading.current_thread() is not threading.main_thread()
        return Shipped("thread")

    @shipping.on
    def generator(order: Order) -> Iterator[Shipped]:
        yield Shipped("generator-1")
        yield Shipped("generator-2")

    @shipping.on
    async def async_generator(order: Order) -> AsyncIterator[Shipped]:
        yield Shipped("async-generator")

    @shipping.on
    async def pair(order: Order) -> tuple[Shipped, Shipped | None]:
        return Shipped("pair"), None

    @shipping.on
    def emits_itself(order: Order) -> None:
        shipping.emit_sync(Shipped("emitted"))

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: len(memory.records("hd-shipments")) == 6)
    made = sorted(events(memory, "hd-shipments"), key=str)
    assert [msgspec.json.decode(value or b"")["id"] for value in made] == [
        "async-generator", "emitted", "generator-1", "generator-2", "pair", "thread",
    ]  # fmt: skip
    cause = headers(memory.records("hd-orders")[0])["ce_id"]
    assert {headers(record)["ce_causationid"] for record in memory.records("hd-shipments")} == {cause}


async def test_record_tells_all_that_is_known(shipping: Service, memory: MemoryBroker, until: Until) -> None:
    seen: list[EventRecord[Order]] = []

    @shipping.on
    async def see(order: Order, record: EventRecord[Order]) -> None:
        seen.append(record)
        memory.wake()

    async with shipping:
        position = await shipping.emit(Order("o-1"))
        await until(lambda: seen)
    (record,) = seen
    assert record.event == Order("o-1")
    assert record.position == position
    assert record.key == b"o-1"
    assert record.type == "Order"
    assert record.source == "/shipping"


async def test_stream_of_several_types_is_routed_by_type(shipping: Service, memory: MemoryBroker, until: Until) -> None:
    apples: list[Apple] = []

    @shipping.on
    async def see(apple: Apple) -> None:
        apples.append(apple)
        memory.wake()

    async with shipping:
        for fruit in (Pear("1"), Apple("2"), Pear("3")):
            await shipping.emit(fruit)
        await until(lambda: apples)
    assert apples == [Apple("2")]
    assert committed(memory, "hd-mixed") == 3
    assert dead(memory) == []


async def test_record_without_a_value_is_no_event_and_is_passed(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    seen: list[Order] = []

    @shipping.on
    async def see(order: Order) -> None:
        seen.append(order)
        memory.wake()

    memory.append(Outgoing("hd-orders", b"gone", None, []))
    memory.append(Outgoing("hd-orders", b"foreign", b'{"id": "foreign"}', []))
    async with shipping:
        await until(lambda: seen)
    assert seen == [Order("foreign")]
    assert committed(memory) == 2


# What fails.


async def test_failing_handler_is_tried_again_after_its_wait_and_no_earlier(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    attempts: list[int] = []

    @shipping.on(retry=Retry(3, backoff="60s"))
    async def dispatch(order: Order) -> Shipped:
        attempts.append(clock.now_ms())
        memory.wake()
        if len(attempts) < 3:
            raise ConnectionError("the printer is off")
        return Shipped(order.id)

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: len(attempts) == 1)
        clock.advance(44)
        await asyncio.sleep(0)
        assert len(attempts) == 1
        clock.advance(16)
        await until(lambda: len(attempts) == 2)
        clock.advance(60)
        await until(lambda: memory.records("hd-shipments"))
    assert len(attempts) == 3
    assert dead(memory) == []


async def test_after_its_attempts_an_event_is_a_dead_letter_untouched_and_told_why(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    @shipping.on(retry=Retry(2, backoff="1s"))
    async def dispatch(order: Order) -> Shipped:
        memory.wake()
        raise ConnectionError("the printer is off")

    async with shipping:
        await shipping.emit(Order("o-1"))
        waiting = asyncio.ensure_future(until(lambda: dead(memory)))
        while not waiting.done():
            clock.advance(1)
            await asyncio.sleep(0)
        await waiting
    (letter,), (order,) = memory.records("shipping.dead-letters"), memory.records("hd-orders")
    assert (letter.key, letter.value) == (order.key, order.value)
    assert list(letter.headers or ())[: len(order.headers or ())] == order.headers
    told = headers(letter)
    assert told["dead_reason"] == "failed"
    assert told["dead_service"] == "shipping"
    assert told["dead_handler"].endswith("dispatch")
    assert told["dead_error"] == "ConnectionError"
    assert told["dead_message"] == "the printer is off"
    assert told["dead_attempts"] == "2"
    assert "raise ConnectionError" in told["dead_traceback"]
    assert (told["dead_stream"], told["dead_partition"], told["dead_offset"]) == (
        "hd-orders",
        str(order.partition),
        "0",
    )
    assert committed(memory) == 1


async def test_undecodable_record_is_a_dead_letter_at_once_with_its_raw_bytes(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    seen: list[Order] = []

    @shipping.on
    async def see(order: Order) -> None:
        seen.append(order)
        memory.wake()

    raw = b"\xff\xfe not json"
    memory.append(Outgoing("hd-orders", b"k", raw, [("ce_type", b"Order"), ("odd", None), ("odd", b"\xff")]))
    memory.append(Outgoing("hd-orders", b"other", b'{"id": "next"}', []))
    async with shipping:
        await until(lambda: seen and dead(memory))
    (letter,) = memory.records("shipping.dead-letters")
    assert (letter.key, letter.value) == (b"k", raw)
    assert list(letter.headers or ())[:3] == [("ce_type", b"Order"), ("odd", None), ("odd", b"\xff")]
    added = dict(list(letter.headers or ())[3:])
    assert added["dead_reason"] == b"undecodable"
    assert b"not an Order" in (added["dead_message"] or b"")
    assert seen == [Order("next")]
    assert committed(memory) == 2


async def test_record_without_a_type_in_a_stream_of_several_is_a_dead_letter(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on
    async def see(apple: Apple) -> None: ...

    memory.append(Outgoing("hd-mixed", b"k", b'{"id": "1"}', []))
    async with shipping:
        await until(lambda: dead(memory))
    assert "holds Apple, Pear" in dead(memory)[0]["dead_message"]


async def test_position_waits_for_the_dead_letter(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    failed = asyncio.Event()

    @shipping.on(retry=Retry(1))
    async def dispatch(order: Order) -> None:
        memory.go_away()
        failed.set()
        raise ValueError("no")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await failed.wait()
        clock.advance(10)
        assert committed(memory) == 0
        memory.come_back()
        await until(lambda: dead(memory))
    assert committed(memory) == 1


async def test_failing_key_holds_its_successors_and_nobody_else(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    handled: list[tuple[str, int]] = []
    broken = True

    @shipping.on(retry=Retry(9, backoff="60s"))
    async def dispatch(order: Order) -> None:
        memory.wake()
        if order.id == "bad" and broken:
            raise ValueError("not yet")
        handled.append((order.id, order.n))

    async with shipping:
        for n in range(3):
            await shipping.emit(Order("bad", n))
            await shipping.emit(Order("good", n))
        await until(lambda: len(handled) == 3)
        assert handled == [("good", 0), ("good", 1), ("good", 2)]
        broken = False
        clock.advance(60)
        await until(lambda: len(handled) == 6)
    assert handled[3:] == [("bad", 0), ("bad", 1), ("bad", 2)]


async def test_exception_that_is_not_worth_another_attempt_is_a_dead_letter_at_once(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on(retry=Retry(5, on=ConnectionError))
    async def dispatch(order: Order) -> None:
        raise ValueError("never")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: dead(memory))
    assert dead(memory)[0]["dead_attempts"] == "1"


async def test_one_handler_that_gives_up_does_not_keep_the_next_from_its_turn(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    calls: list[str] = []

    @shipping.on
    async def first(order: Order) -> None:
        calls.append("first")

    @shipping.on(retry=Retry(1))
    async def second(order: Order) -> None:
        raise ValueError("no")

    @shipping.on
    async def third(order: Order) -> Shipped:
        calls.append("third")
        return Shipped(order.id)

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: memory.records("hd-shipments") and dead(memory))
    assert calls == ["first", "third"]
    assert committed(memory) == 1


async def test_returning_what_was_not_declared_is_a_dead_letter_not_a_silent_emit(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on
    async def dispatch(order: Order) -> None:
        return Shipped("undeclared")  # type: ignore[return-value]

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: dead(memory))
    assert memory.records("hd-shipments") == []
    assert "does not declare" in dead(memory)[0]["dead_message"]


async def test_output_that_the_broker_refuses_is_a_dead_letter(clock: ManualClock) -> None:
    memory = MemoryBroker(clock, record_bytes_max=500)
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped("x" * 600)

    async with shipping:
        await shipping.emit(Order("o-1"))
        async with asyncio.timeout(10):
            while not dead(memory):
                await memory.change()
    assert dead(memory)[0]["dead_reason"] == "refused"
    assert committed(memory) == 1


async def test_handler_that_cancels_itself_has_failed_like_any_other(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on(retry=Retry(1))
    async def dispatch(order: Order) -> None:
        raise asyncio.CancelledError

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: dead(memory))
    assert dead(memory)[0]["dead_error"] == "HandlerCancelledError"


# All or nothing.


async def test_handler_that_raises_has_emitted_nothing(shipping: Service, memory: MemoryBroker, until: Until) -> None:
    attempts: list[int] = []

    @shipping.on(retry=Retry(2, backoff="0ms"))
    async def dispatch(order: Order) -> AsyncIterator[Shipped]:
        attempts.append(order.n)
        await shipping.emit(Shipped(f"emitted-{len(attempts)}"))
        yield Shipped(f"yielded-{len(attempts)}")
        if len(attempts) == 1:
            raise ConnectionError("not yet")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: len(attempts) == 1)
        shipping_clock(shipping).advance(1)
        await until(lambda: len(memory.records("hd-shipments")) == 2)
    made = [msgspec.json.decode(value or b"")["id"] for value in events(memory, "hd-shipments")]
    assert sorted(made) == ["emitted-2", "yielded-2"]
    assert dead(memory) == []


def shipping_clock(service: Service) -> ManualClock:
    clock = service._surroundings.clock
    assert isinstance(clock, ManualClock)
    return clock


async def test_emit_in_an_atomic_handler_is_written_with_all_else_and_its_position_is_not_known(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    told: list[Position] = []
    seen: list[int] = []

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        told.append(await shipping.emit(Shipped("emitted")))
        seen.append(len(memory.records("hd-shipments")))
        return Shipped("returned")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: len(memory.records("hd-shipments")) == 2)
    assert told == [Position("hd-shipments", -1, -1)]
    assert seen == [0]


async def test_emit_in_a_handler_that_wants_at_least_once_is_written_at_once(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    told: list[Position] = []

    @shipping.on(delivery="at_least_once")
    async def dispatch(order: Order) -> Shipped:
        told.append(await shipping.emit(Shipped("emitted")))
        return Shipped("returned")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: len(memory.records("hd-shipments")) == 2)
    assert [position.offset for position in told] == [0]
    assert committed(memory) == 1


async def test_handlers_of_both_kinds_live_in_one_service(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on(delivery="at_least_once")
    async def taste(apple: Apple) -> Shipped:
        return Shipped("apple")

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped("order")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await shipping.emit(Apple("a-1"))
        await until(lambda: len(memory.records("hd-shipments")) == 2)
    assert committed(memory) == 1
    assert committed(memory, "hd-mixed") == 1


async def test_what_a_handler_leaves_behind_emits_like_anybody_else(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    go_on = asyncio.Event()
    left: list[asyncio.Task[Position]] = []

    async def later() -> Position:
        await go_on.wait()
        return await shipping.emit(Shipped("later"))

    @shipping.on
    async def dispatch(order: Order) -> None:
        left.append(asyncio.create_task(later()))
        memory.wake()

    async with shipping:
        await shipping.emit(Order("o-1"))
        await until(lambda: left)
        shipping_clock(shipping).advance(1)
        await until(lambda: committed(memory) == 1)
        go_on.set()
        position = await left[0]
    assert position.offset == 0


async def test_refused_output_of_one_handler_leaves_those_of_the_other(clock: ManualClock) -> None:
    memory = MemoryBroker(clock, record_bytes_max=500)
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on
    async def fits(order: Order) -> Shipped:
        return Shipped("fits")

    @shipping.on
    async def does_not(order: Order) -> list[Shipped]:
        return [Shipped("would"), Shipped("x" * 600)]

    async with shipping:
        await shipping.emit(Order("o-1"))
        async with asyncio.timeout(10):
            while not dead(memory):
                await memory.change()
    assert events(memory, "hd-shipments") == [b'{"id":"fits"}']
    assert dead(memory)[0]["dead_handler"].endswith("does_not")


def test_unknown_delivery_is_refused(shipping: Service) -> None:
    with pytest.raises(DeclarationError, match="there are 'exactly_once' and 'at_least_once'"):
        shipping.on(delivery="maybe")(lambda order: None)
    with pytest.raises(DeclarationError, match="'maybe'"):
        Service("other", delivery="maybe")


# Emitting.


async def test_emit_returns_where_the_event_stands(shipping: Service, memory: MemoryBroker) -> None:
    async with shipping:
        first = await shipping.emit(Order("o-1"))
        second = await shipping.emit(Order("o-1"))
    assert first == Position("hd-orders", first.partition, 0)
    assert second == Position("hd-orders", first.partition, 1)
    assert str(first) == f"hd-orders/{first.partition}/0"


async def test_emitting_what_is_no_event_is_refused_at_once(shipping: Service) -> None:
    with pytest.raises(DeclarationError, match="is not an event"):
        await shipping.emit({"id": 1})
    with pytest.raises(EncodeError):
        await shipping.emit(Order("o-1", n=object()))  # type: ignore[arg-type]


async def test_emit_says_what_was_not_sent_when_the_broker_is_away(shipping: Service, memory: MemoryBroker) -> None:
    order = Order("o-1")
    async with shipping:
        memory.go_away()
        with pytest.raises(NotSentError) as late:
            await shipping.emit(order)
        assert late.value.event is order
        assert isinstance(late.value, UnavailableError)
        memory.come_back()
        await shipping.emit(order)


async def test_emit_of_too_large_an_event_is_refused(shipping: Service) -> None:
    async with shipping:
        with pytest.raises(RefusedError, match="larger than"):
            await shipping.emit(Order("x" * 2_000_000))


async def test_stream_is_created_with_partitions_when_first_emitted_to(shipping: Service, memory: MemoryBroker) -> None:
    await shipping.emit(Order("o-1"))
    assert len(memory.streams["hd-orders"].partitions) == 6
    await shipping.stop()


def test_emit_sync_needs_no_event_loop(memory: MemoryBroker) -> None:
    service = Service("script", transport=memory.transport)
    assert service.emit_sync(Order("o-1")).offset == 0
    assert service.emit_sync(Order("o-1")).offset == 1
    assert len(memory.records("hd-orders")) == 2


async def test_emit_sync_on_the_event_loop_is_refused_not_a_deadlock(shipping: Service) -> None:
    async with shipping:
        with pytest.raises(RuntimeError, match="write await emit"):
            shipping.emit_sync(Order("o-1"))


async def test_emit_from_another_loop_goes_through_the_services_own(shipping: Service, memory: MemoryBroker) -> None:
    async with shipping:
        position = await asyncio.to_thread(lambda: asyncio.run(shipping.emit(Order("o-1"))))
    assert position.offset == 0
    assert len(memory.records("hd-orders")) == 1


# Starting and stopping.


async def test_graceful_stop_finishes_what_is_in_hand(shipping: Service, memory: MemoryBroker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        begun.set()
        await go_on.wait()
        return Shipped(order.id)

    await shipping.start()
    await shipping.emit(Order("o-1"))
    await begun.wait()
    stop = asyncio.create_task(shipping.stop())
    await asyncio.sleep(0)
    assert not stop.done()
    go_on.set()
    await stop
    assert events(memory, "hd-shipments") == [b'{"id":"o-1"}']
    assert committed(memory) == 1


async def test_service_that_was_away_catches_up_where_it_left_off(
    memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    seen: list[int] = []

    def make() -> Service:
        service = Service("shipping", transport=memory.transport, clock=clock)

        @service.on
        async def see(order: Order) -> None:
            seen.append(order.n)
            memory.wake()

        return service

    orders = Service("orders", transport=memory.transport, clock=clock)
    async with orders:
        async with make():
            await orders.emit(Order("a", 1))
            await until(lambda: seen == [1])
        await orders.emit(Order("a", 2))
        await orders.emit(Order("a", 3))
        assert seen == [1]
        async with make():
            await until(lambda: len(seen) == 3)
    assert seen == [1, 2, 3]


async def test_lifespan_runs_the_service_with_the_application(
    shipping: Service, memory: MemoryBroker, until: Until
) -> None:
    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id)

    async with shipping.lifespan(object()):
        await shipping.emit(Order("o-1"))
        await until(lambda: memory.records("hd-shipments"))
    assert memory.groups["shipping"].members == []


async def test_service_that_starts_without_a_broker_waits_for_it(
    shipping: Service, memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id)

    memory.go_away()
    start = asyncio.create_task(shipping.start())
    for _ in range(5):
        await asyncio.sleep(0)
        clock.advance(1)
    assert not start.done()
    memory.come_back()
    while not start.done():
        await asyncio.sleep(0)
        clock.advance(1)
    await shipping.emit(Order("o-1"))
    await until(lambda: memory.records("hd-shipments"))
    await shipping.stop()


async def test_service_cannot_be_started_twice(shipping: Service) -> None:
    async with shipping:
        with pytest.raises(DeclarationError, match="runs already"):
            await shipping.start()


async def test_partitions_move_to_a_second_process_and_nothing_is_handled_twice(
    memory: MemoryBroker, clock: ManualClock, until: Until
) -> None:
    handled: list[tuple[int, int]] = []

    def make(process: int) -> Service:
        service = Service("shipping", transport=memory.transport, clock=clock)

        @service.on
        async def see(order: Order) -> None:
            handled.append((process, order.n))
            memory.wake()

        return service

    first, second, orders = make(1), make(2), Service("orders", transport=memory.transport, clock=clock)
    async with orders, first:
        for n in range(30):
            await orders.emit(Order(f"o-{n}", n))
        await until(lambda: len(handled) == 30)
        async with second:
            await until(lambda: len(memory.groups["shipping"].members) == 2)
            for n in range(30, 60):
                await orders.emit(Order(f"o-{n}", n))
            await until(lambda: len(handled) == 60)
            assert {process for process, n in handled if n >= 30} == {1, 2}
    assert sorted(n for _, n in handled) == list(range(60))


async def test_description_tells_what_a_service_reads_emits_and_keeps(shipping: Service) -> None:
    shipping.table(Apple)

    @shipping.on(retry=Retry(3, backoff="1s..2s"))
    async def dispatch(order: Order | Pear) -> Shipped | None: ...

    told = shipping.describe()
    assert told.service == "shipping"
    assert [(read["stream"], read["type"], read["attempts"]) for read in told.reads] == [
        ("hd-orders", "Order", 3),
        ("hd-mixed", "Pear", 3),
    ]
    assert told.emits == [{"stream": "hd-shipments", "type": "Shipped"}]
    assert told.keeps == [{"stream": "hd-mixed", "type": "Apple"}]
    assert told.dead_letters == "shipping.dead-letters"


def test_derived_ids_differ_between_handlers() -> None:
    made: set[Any] = {derived_id("e", "shipping", handler, 0) for handler in ("a", "b")}
    assert len(made) == 2
