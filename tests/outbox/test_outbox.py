"""The example with FastAPI and SQLAlchemy, on a broker of the test's own: what its README says can be tried."""

from __future__ import annotations

import asyncio
import importlib
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tidings.events import declaration
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WAIT_S = 60


@pytest.fixture
def environment(broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    for name in ("orders", "billing"):
        monkeypatch.setenv(f"{name.upper()}_DATABASE", f"sqlite+aiosqlite:///{tmp_path / name}.db")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")])}


@pytest.fixture
def orders(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The web front, with the database of this test: a program of its own, with events of its own."""
    monkeypatch.setattr(declaration, "_by_stream", {})
    for name in ("outbox.orders", "outbox.events"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("outbox.orders")


@pytest.fixture
async def client(orders: ModuleType) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(orders.app)
    async with (
        orders.lifespan(orders.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        yield client


class Billing:
    """The other service, in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._child = self._start()

    def _start(self) -> ChildProcess:
        return ChildProcess([sys.executable, "-m", "tidings", "run", "outbox.billing"], self._environment)

    def crash_and_start_again(self) -> None:
        self._child.kill()
        self._child = self._start()

    def kill(self) -> None:
        self._child.kill()


@pytest.fixture
def billing(environment: dict[str, str]) -> Iterator[Billing]:
    process = Billing(environment)
    yield process
    process.kill()


async def place(client: httpx.AsyncClient, n: int, cents: int = 100) -> httpx.Response:
    return await client.post("/orders", json={"order_id": f"o-{n}", "customer_id": f"c-{n % 3}", "total_cents": cents})


async def until_charged(client: httpx.AsyncClient, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        for n in range(count):
            while not (await client.get(f"/orders/o-{n}")).json()["charged"]:
                await asyncio.sleep(0.05)  # as a browser would


@pytest.mark.timeout(120)
async def test_orders_are_charged_once_whatever_happens_to_billing(
    client: httpx.AsyncClient, billing: Billing, tmp_path: Path
) -> None:
    for n in range(60):
        assert (await place(client, n)).status_code == 201
        if n in (20, 40):
            billing.crash_and_start_again()
    await until_charged(client, 60)
    with sqlite3.connect(tmp_path / "billing.db") as database:
        accounts = database.execute("SELECT customer_id, owed_cents FROM accounts ORDER BY 1").fetchall()
    database.close()
    assert accounts == [("c-0", 2000), ("c-1", 2000), ("c-2", 2000)]


async def test_orders_are_taken_while_the_broker_is_away(
    client: httpx.AsyncClient, billing: Billing, broker: BrokerProcess
) -> None:
    await place(client, 0)
    await until_charged(client, 1)
    await asyncio.to_thread(broker.kill)
    assert (await place(client, 1)).status_code == 201
    assert (await client.get("/orders/o-1")).json()["charged"] is False
    await asyncio.to_thread(broker.start)
    await until_charged(client, 2)


async def test_order_that_is_refused_is_told_to_nobody(
    client: httpx.AsyncClient, billing: Billing, tmp_path: Path
) -> None:
    await place(client, 0)
    assert (await place(client, 0, cents=999)).status_code == 409
    assert (await client.post("/orders", json={"order_id": "o-9"})).status_code == 422
    await place(client, 3)
    await until_charged(client, 1)
    async with asyncio.timeout(WAIT_S):
        while not (await client.get("/orders/o-3")).json()["charged"]:
            await asyncio.sleep(0.05)
    with sqlite3.connect(tmp_path / "billing.db") as database:
        assert database.execute("SELECT owed_cents FROM accounts").fetchall() == [(200,)]
    database.close()
    assert (await client.get("/orders/o-9")).status_code == 404
