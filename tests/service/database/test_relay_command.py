"""`tidings relay`: the relay by itself, for services that have none in their process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from tests.service.database.conftest import until_rows
from tests.service.database.models import Order

from tidings import Database, Service
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

MODULE = """
from tidings import Database, Service

front = Service("front", database=Database({url!r}, relay=False))
"""


async def test_relay_command_publishes_what_the_service_itself_does_not(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    url = f"sqlite+aiosqlite:///{tmp_path / 'front.db'}"
    (tmp_path / "front.py").write_text(MODULE.format(url=url))
    engine = create_async_engine(url)
    front, watch = Service("front", database=Database(engine, relay=False)), Service("watch")
    seen = asyncio.Event()

    @watch.on
    async def see(order: Order) -> None:
        seen.set()

    async with front, watch, AsyncSession(engine) as db:
        await front.emit(Order("ada", 1), db=db)
        await db.commit()
        await until_rows(engine, "SELECT count(*) FROM tidings_outbox", [(1,)])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
        child = ChildProcess([sys.executable, "-m", "tidings", "relay", "front"], environment)
        try:
            await asyncio.wait_for(seen.wait(), 30)
            await until_rows(engine, "SELECT count(*) FROM tidings_outbox", [(0,)])
            assert await asyncio.to_thread(child.terminate, 20) == 0
        finally:
            child.kill()
    await engine.dispose()
