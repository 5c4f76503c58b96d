"""`kill -9` of services at work: nothing is lost, order per key holds, and what came twice can be told."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.service.shipping_process import Order, Shipped

from tidings import EventRecord, Service
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

ORDERS = 3_000
KEYS = 40


@pytest.mark.timeout(120)
async def test_killed_services_lose_nothing_and_a_repetition_has_the_same_id(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    watching, orders = Service("watching"), Service("orders")
    ids: dict[int, set[str]] = defaultdict(set)
    first_seen: dict[str, list[int]] = defaultdict(list)
    progress = asyncio.Event()

    @watching.on
    async def watch(shipped: Shipped, record: EventRecord[Shipped]) -> None:
        if shipped.n not in ids:
            first_seen[shipped.id].append(shipped.n)
        ids[shipped.n].add(record.id)
        progress.set()

    async def seen(count: int) -> None:
        while len(ids) < count:
            progress.clear()
            await progress.wait()

    processes = [start(), start()]
    try:
        async with asyncio.timeout(100), watching, orders:
            emitting = asyncio.create_task(emit_all(orders))
            for part, process in enumerate(list(processes), start=1):
                await seen(ORDERS * part // 4)
                process.kill()
                processes.append(start())
            await emitting
            await seen(ORDERS)
    finally:
        for process in processes:
            process.kill()
    assert set(ids) == set(range(ORDERS))
    assert all(len(known) == 1 for known in ids.values())
    for key in range(KEYS):
        assert first_seen[f"o-{key}"] == list(range(key, ORDERS, KEYS))


def start() -> ChildProcess:
    script = Path(__file__).with_name("shipping_process.py")
    return ChildProcess([sys.executable, str(script), "shipping"], dict(os.environ))


async def emit_all(orders: Service) -> None:
    for begin in range(0, ORDERS, KEYS):
        await asyncio.gather(*(orders.emit(Order(f"o-{n % KEYS}", n)) for n in range(begin, begin + KEYS)))
