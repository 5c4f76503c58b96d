"""Parked keys on a real broker: one among ten thousand, and a redrive that is killed in the middle."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from tests.service.poisoned_process import Order, Shipped, shipping

from tidings import Service
from tidings.cli.cluster import Cluster
from tidings.cli.dead_choice import plan_redrive
from tidings.cli.dead_office import DeadOffice
from tidings.cli.reader import Reader
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

KEYS = 10_000
SUCCESSORS = 40


@pytest.fixture
def poison(tmp_path: Path) -> Path:
    path = tmp_path / "poison"
    path.write_text("")
    return path


class Watching:
    """Sees what is shipped."""

    def __init__(self) -> None:
        self.service = Service("watching")
        self.seen: dict[str, list[int]] = {}
        self.count = 0
        self._news = asyncio.Event()

        @self.service.on
        async def watch(shipped: Shipped) -> None:
            self.seen.setdefault(shipped.id, []).append(shipped.n)
            self.count += 1
            self._news.set()

    async def until(self, count: int) -> None:
        while self.count < count:
            self._news.clear()
            await self._news.wait()


async def emit_all(orders: Service, events: Iterable[Order]) -> None:
    """Many at a time, in order: once the stream is known to be there, `emit` sends before it waits."""
    events = iter(events)
    await orders.emit(next(events))
    batch: list[Order] = []
    for order in events:
        batch.append(order)
        if len(batch) == 500:
            await asyncio.gather(*map(orders.emit, batch))
            batch = []
    await asyncio.gather(*map(orders.emit, batch))


def outstanding(url: str, service: str) -> list[tuple[str | None, str]]:
    return [(case.key, case.letter.state) for case in DeadOffice(Cluster(url), service).cases()]


def redrive_all(url: str, service: str) -> int:
    """As `tidings dead redrive --all --no-wait` does."""
    office = DeadOffice(Cluster(url), service)
    cases = office.cases()
    plan = plan_redrive(cases, cases)
    office.put([case.letter.wish(0) for case in plan.asked])
    return len(plan.asked)


@pytest.mark.timeout(180)
async def test_one_poisoned_key_among_ten_thousand_delays_no_other_and_its_successors_follow_in_order(
    broker: BrokerProcess, poison: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    poison.write_text("bad")
    orders, watching = Service("orders"), Watching()
    every = KEYS // SUCCESSORS
    mixed = [
        order
        for n in range(SUCCESSORS)
        for order in (Order("bad", n), *(Order(f"o-{k}", 0) for k in range(n * every, (n + 1) * every)))
    ]
    async with asyncio.timeout(150), orders, watching.service, shipping("shipping", poison):
        await emit_all(orders, mixed)
        await watching.until(KEYS)
        assert "bad" not in watching.seen
        assert all(watching.seen[f"o-{k}"] == [0] for k in range(KEYS))
        while len(parked := await asyncio.to_thread(outstanding, broker.url, "shipping")) < SUCCESSORS:
            await asyncio.sleep(0.05)
        assert parked == [("bad", "given up"), *[("bad", "waiting")] * (SUCCESSORS - 1)]
        poison.write_text("")
        began = time.monotonic()
        assert await asyncio.to_thread(redrive_all, broker.url, "shipping") == 1
        await watching.until(KEYS + SUCCESSORS)
        print(f"{SUCCESSORS} letters redriven in {time.monotonic() - began:.2f} s")
        assert watching.seen["bad"] == list(range(SUCCESSORS))
        await orders.emit(Order("bad", SUCCESSORS))
        await watching.until(KEYS + SUCCESSORS + 1)
        assert watching.seen["bad"][-1] == SUCCESSORS
    assert outstanding(broker.url, "shipping") == []


@pytest.fixture(params=["tidings", pytest.param("kafka", marks=pytest.mark.external)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "kafka":
        return str(request.getfixturevalue("kafka_url"))
    return str(request.getfixturevalue("broker").url)


@pytest.mark.timeout(120)
async def test_redrive_that_is_killed_midway_loses_nothing_and_doubles_nothing(
    url: str, poison: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", url)
    keys, each = [f"bad-{k}" for k in range(10)], 30
    poison.write_text(" ".join(keys))
    orders, watching = Service("orders"), Watching()
    process = start(poison)
    try:
        async with asyncio.timeout(100), orders, watching.service:
            await emit_all(orders, (Order(key, n) for n in range(each) for key in (*keys, "good")))
            await watching.until(each)
            while len(await asyncio.to_thread(outstanding, url, "poisoned")) < len(keys) * each:
                await asyncio.sleep(0.05)
            poison.write_text("")
            await asyncio.to_thread(redrive_all, url, "poisoned")
            for part in (1, 3):
                await watching.until(each + len(keys) * each * part // 5)
                process.kill()
                process = start(poison)
            await watching.until(each + len(keys) * each)
    finally:
        process.kill()
    assert shipped(url) == {key: list(range(each)) for key in (*keys, "good")}
    assert outstanding(url, "poisoned") == []


def start(poison: Path) -> ChildProcess:
    script = Path(__file__).with_name("poisoned_process.py")
    return ChildProcess([sys.executable, str(script), "poisoned", str(poison)], dict(os.environ))


def shipped(url: str) -> dict[str, list[int]]:
    """Everything in the stream, as often as it is there."""
    cluster = Cluster(url)
    partitions = cluster.partitions("poisoned-shipments")
    found: dict[str, list[int]] = {}
    with Reader(cluster) as reader:
        for seen in reader.read(cluster.begins(partitions), cluster.ends(partitions)):
            one = msgspec.json.decode(seen.data or b"", type=Shipped)
            found.setdefault(one.id, []).append(one.n)
    return found
