"""A broker inside the test's own event loop, on a free port and a folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.broker.client import Client

from tidings.broker.catalog.topic import NewTopic, Topic
from tidings.broker.config import BrokerConfig
from tidings.broker.server import Broker

OpenBroker = Callable[..., Awaitable[Broker]]


@pytest.fixture
async def open_broker(tmp_path: Path) -> AsyncIterator[OpenBroker]:
    """Opens a broker with the settings given; it is closed when the test is over, unless the test has closed it."""
    opened: list[Broker] = []

    async def open_it(**settings: Any) -> Broker:
        settings = {"data": tmp_path / "data", "port": 0, **settings}
        opened.append(await Broker.open(BrokerConfig(**settings)))
        return opened[-1]

    yield open_it
    for broker in opened:
        await broker.close()


@pytest.fixture
async def live(open_broker: OpenBroker) -> Broker:
    """A broker with the topic `orders` of two partitions."""
    broker = await open_broker()
    await create(broker, "orders", 2)
    return broker


@pytest.fixture
async def client(live: Broker) -> AsyncIterator[Client]:
    """A connection to `live`."""
    async with await Client.connect(live.address) as client:
        yield client


async def create(broker: Broker, name: str, partitions: int = 1, **configs: str) -> Topic:
    """A topic; its settings' names have underscores for dots."""
    settings: dict[str, str | None] = {key.replace("_", "."): value for key, value in configs.items()}
    (topic,) = await broker.catalog.create([NewTopic(name, partitions, settings)])
    assert isinstance(topic, Topic)
    return topic
