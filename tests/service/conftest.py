"""What the tests of services share: a memory broker, time that stands still, and a folder for tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tidings.service.clock import ManualClock
from tidings.service.transports.memory import MemoryBroker


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
