"""`kill -9` of services at work: every output is there once, and order per key holds. (`kills.py` is the long form.)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.service import kills

from tidings.testing.broker import BrokerProcess


@pytest.mark.timeout(180)
async def test_killed_services_write_every_output_once_and_in_order(broker: BrokerProcess, tmp_path: Path) -> None:
    verdict = await asyncio.to_thread(
        kills.run, broker.url, events=4_000, kills=3, processes=2, seed=7, state=tmp_path / "state", keys=40
    )
    assert verdict.holds, str(verdict)
    assert verdict.outputs == kills.expected(4_000).total()
