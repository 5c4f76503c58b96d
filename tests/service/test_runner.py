"""Running services until somebody says stop."""

from __future__ import annotations

import asyncio
import os
import signal

import msgspec
import pytest

from tidings import Service, event
from tidings.service.runner import run, run_services
from tidings.service.transports.base import Outgoing
from tidings.service.transports.memory import MemoryBroker


@event("run-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_a_service_finish_what_is_in_hand(number: signal.Signals) -> None:
    memory = MemoryBroker()
    memory.append(Outgoing("run-orders", b"o-1", b'{"id": "o-1"}', []))
    service = Service("shipping", transport=memory.transport)
    finished: list[str] = []

    @service.on
    async def dispatch(order: Order) -> None:
        os.kill(os.getpid(), number)
        await asyncio.to_thread(lambda: None)
        finished.append(order.id)

    run([service])
    assert finished == ["o-1"]
    assert memory.groups["shipping"].offsets == {("run-orders", 0): 1}


async def test_services_stop_when_they_are_cancelled() -> None:
    memory = MemoryBroker()
    services = [Service(name, transport=memory.transport) for name in ("first", "second")]
    for service in services:

        @service.on
        async def dispatch(order: Order) -> None: ...

    running = asyncio.create_task(run_services(services))
    async with asyncio.timeout(10):
        while len(memory.groups) < 2 or not all(group.members for group in memory.groups.values()):
            await memory.change()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not any(group.members for group in memory.groups.values())


async def test_services_stop_when_what_they_run_until_is_done() -> None:
    memory = MemoryBroker()
    service = Service("first", transport=memory.transport)
    async with asyncio.timeout(10):
        await run_services([service], until=service.emit(Order("o-1")))
    assert len(memory.records("run-orders")) == 1


async def test_what_they_run_until_may_fail_and_is_heard() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    service = Service("first", transport=MemoryBroker().transport)
    with pytest.raises(ZeroDivisionError):
        await run_services([service], until=fail())
