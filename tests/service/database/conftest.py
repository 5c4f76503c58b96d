"""Databases for services: SQLite wherever Python runs, PostgreSQL where `make test-all` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.peers.postgres import Postgres
from tests.service.database.models import Base

from tidings.service.clock import SystemClock
from tidings.service.transports.memory import MemoryBroker

WAIT_S = 30
external = pytest.mark.external

ASYNC = [
    "sqlite+aiosqlite",
    pytest.param("postgresql+asyncpg", marks=external),
    pytest.param("postgresql+psycopg", marks=external),
]
SYNC = ["sqlite", pytest.param("postgresql+psycopg", marks=external)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started once. Not installed is a failure that says what to run, never a skip."""
    with Postgres() as server:
        yield server


def url_of(request: pytest.FixtureRequest, driver: str) -> str:
    if driver.startswith("sqlite"):
        return f"{driver}:///{request.getfixturevalue('tmp_path') / 'service.db'}"
    return f"{driver}://{request.getfixturevalue('postgres').database()}"


@pytest.fixture(params=ASYNC)
def database_url(request: pytest.FixtureRequest) -> str:
    return url_of(request, request.param)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An AsyncEngine with the tables of `models`."""
    made = create_async_engine(database_url)
    async with made.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield made
    await made.dispose()


@pytest.fixture(params=SYNC)
def sync_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An Engine with the tables of `models`."""
    made = create_engine(url_of(request, request.param))
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def memory() -> MemoryBroker:
    """One in real time: databases have no other."""
    return MemoryBroker(SystemClock())


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until(memory: MemoryBroker) -> Until:
    """`await until(condition)`: looks again whenever something happens at the memory broker."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await memory.change()

    return wait


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def until_rows(engine: AsyncEngine, query: str, wanted: list[tuple[Any, ...]]) -> None:
    """Returns when `query` gives what is wanted."""
    async with asyncio.timeout(WAIT_S):
        while (found := await rows(engine, query)) != wanted:
            assert found is not None
            await asyncio.sleep(0.02)  # a database does not tell
