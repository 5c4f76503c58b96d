"""What the tests of services share: a memory broker, time that stands still, a folder for tables, and for the contract
all three transports."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.service.contract import Shop

from tidings.service.clock import ManualClock
from tidings.service.connection import OpenTransport
from tidings.service.transports.base import Transport
from tidings.service.transports.kafka import KafkaTransport
from tidings.service.transports.memory import MemoryBroker
from tidings.testing.broker import BrokerProcess


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memory(clock: ManualClock) -> MemoryBroker:
    return MemoryBroker(clock)


@pytest.fixture
def until(memory: MemoryBroker) -> Callable[[Callable[[], object]], object]:
    """`await until(condition)`: looks again whenever something happens at the memory broker."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await memory.change()

    return wait


# For the contract.


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data") as process:
        yield process


@pytest.fixture(params=["memory", "tidings", pytest.param("kafka", marks=pytest.mark.external)])
def open_transport(request: pytest.FixtureRequest) -> OpenTransport:
    """Opens a transport of each kind: what it returns all speaks to the same broker."""
    if request.param == "memory":
        return MemoryBroker().transport
    if request.param == "tidings":
        url = request.getfixturevalue("shared_broker").url
    else:
        url = request.getfixturevalue("kafka_url")
    return lambda: KafkaTransport(url, "contract")


@pytest.fixture
async def transport(open_transport: OpenTransport) -> AsyncIterator[Transport]:
    opened = open_transport()
    yield opened
    await opened.close()


@pytest.fixture
def unique() -> str:
    """What tells the streams and groups of one test from those of others on the same broker."""
    return uuid.uuid4().hex[:8]


@pytest.fixture
def shop(unique: str, open_transport: OpenTransport) -> Shop:
    return Shop(unique, open_transport)
