"""The broker goes away and comes back: services wait, say so once, and go on by themselves."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from tidings import Service, event
from tidings.errors import UnavailableError
from tidings.service.outlet import NotSentError
from tidings.service.runner import run_services
from tidings.testing.broker import BrokerProcess


@event("out-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("out-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int


async def test_services_go_on_by_themselves_after_the_broker_was_killed(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    orders = Service("orders", url=broker.url, timeout_s=0.5)
    shipping = Service("shipping", url=broker.url)
    watching = Service("watching", url=broker.url)
    seen: asyncio.Queue[Shipped] = asyncio.Queue()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id, order.n)

    @watching.on
    async def watch(shipped: Shipped) -> None:
        seen.put_nowait(shipped)

    async with asyncio.timeout(60), orders, shipping, watching:
        for n in range(20):
            await orders.emit(Order(f"o-{n % 3}", n))
        assert sorted([(await seen.get()).n for _ in range(20)]) == list(range(20))
        broker.kill()
        with pytest.raises(NotSentError) as late:
            await orders.emit(Order("o-1", 99))
        assert late.value.event == Order("o-1", 99)
        await asyncio.to_thread(broker.restart)
        for n in range(20, 40):
            await _emit_until_it_goes_through(orders, Order(f"o-{n % 3}", n))
        arrived: set[int] = set()
        while not arrived.issuperset(range(20, 40)):
            arrived.add((await seen.get()).n)
    told = [record.message for record in caplog.records if "no broker can be reached" in record.message]
    assert len(told) <= 3 * 2  # once for each connection that noticed, not once for each attempt


async def _emit_until_it_goes_through(service: Service, order: Order) -> None:
    while True:
        try:
            await service.emit(order)
        except UnavailableError:
            continue
        return


async def test_output_of_a_handler_waits_for_the_broker_and_loses_nothing(broker: BrokerProcess) -> None:
    shipping = Service("shipping", url=broker.url)
    watching = Service("watching", url=broker.url)
    handled, go_on = asyncio.Event(), asyncio.Event()
    seen: asyncio.Queue[Shipped] = asyncio.Queue()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        handled.set()
        await go_on.wait()
        return Shipped(order.id, order.n)

    @watching.on
    async def watch(shipped: Shipped) -> None:
        seen.put_nowait(shipped)

    async with asyncio.timeout(60), shipping, watching:
        await shipping.emit(Order("o-1", 1))
        await handled.wait()
        broker.kill()
        go_on.set()
        await asyncio.to_thread(broker.restart)
        assert (await seen.get()).n == 1


async def test_service_started_before_its_broker_begins_when_it_is_there(broker: BrokerProcess) -> None:
    broker.stop()
    shipping = Service("shipping", url=broker.url)
    seen: asyncio.Queue[Order] = asyncio.Queue()

    @shipping.on
    async def watch(order: Order) -> None:
        seen.put_nowait(order)

    async with asyncio.timeout(60):
        await shipping.start(wait_s=0.1)
        await asyncio.to_thread(broker.start)
        await _emit_until_it_goes_through(shipping, Order("o-1", 1))
        assert await seen.get() == Order("o-1", 1)
        await shipping.stop()


async def test_stop_does_not_hang_while_the_broker_is_away(broker: BrokerProcess) -> None:
    shipping = Service("shipping", url=broker.url)
    handled: asyncio.Queue[Order] = asyncio.Queue()

    @shipping.on
    async def watch(order: Order) -> None:
        handled.put_nowait(order)

    await shipping.start()
    await shipping.emit(Order("o-1", 1))
    await handled.get()
    broker.kill()
    async with asyncio.timeout(20):
        await shipping.stop()


async def test_running_services_stop_when_they_are_told(broker: BrokerProcess) -> None:
    first, second = Service("first", url=broker.url), Service("second", url=broker.url)
    seen: asyncio.Queue[Any] = asyncio.Queue()

    @first.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id, order.n)

    @second.on
    async def watch(shipped: Shipped) -> None:
        seen.put_nowait(shipped)

    async def emit_and_see() -> None:
        outside = Service("outside", url=broker.url)
        async with outside:
            await outside.emit(Order("o-1", 1))
            await seen.get()

    async with asyncio.timeout(60):
        await run_services([first, second], until=emit_and_see())
    assert seen.empty()


async def test_running_services_fall_together_when_one_falls(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TIDINGS_STATE", "/proc/nowhere")
    from tidings.errors import OperatorError

    first, second = Service("first", url=broker.url), Service("second", url=broker.url)
    second.table(Order)
    with pytest.raises(OperatorError):
        await run_services([first, second], until=asyncio.Event().wait())
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
