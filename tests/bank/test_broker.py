"""The bank on a real broker, in processes of its own that are killed while money is on its way."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

import pytest

from bank import customers
from bank.books import Books
from bank.events import AccountOpened, TransferCompleted, TransferDebited, TransferRefused, TransferReturned
from tidings import EventRecord, Service
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
TRANSFERS = 600
KILLS = 2

Happened = AccountOpened | TransferDebited | TransferReturned | TransferCompleted | TransferRefused


class Auditor:
    """Hears all that happens, in whatever order its partitions bring it."""

    def __init__(self) -> None:
        self.service = Service("auditor")
        self.heard: list[tuple[datetime, Happened]] = []
        self._changed = asyncio.Event()

        @self.service.on
        async def note(happened: Happened, record: EventRecord[Happened]) -> None:
            self.heard.append((record.stored_at, happened))
            self._changed.set()

    @property
    def ended(self) -> int:
        return sum(isinstance(happened, TransferCompleted | TransferRefused) for _, happened in self.heard)

    async def until_ended(self, count: int) -> None:
        while self.ended < count:
            self._changed.clear()
            await self._changed.wait()

    def books(self) -> Books:
        """Causes are written before their effects."""
        kept = Books()
        for _, happened in sorted(self.heard, key=lambda one: one[0]):
            kept.add(happened)
        return kept


def start() -> ChildProcess:
    command = [sys.executable, "-m", "tidings", "run", "bank.accounts"]
    return ChildProcess(command, {**os.environ, "PYTHONPATH": str(EXAMPLES)})


@pytest.mark.timeout(120)
async def test_a_bank_that_is_killed_loses_no_cent_and_makes_none(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    auditor, teller = Auditor(), Service("teller")
    wanted = list(customers.transfers("t", TRANSFERS))
    processes = [start()]
    try:
        async with asyncio.timeout(100), auditor.service, teller:
            for opened in customers.accounts():
                await teller.emit(opened)
            await asyncio.gather(*(teller.emit(one) for one in wanted))
            for number in range(1, KILLS + 1):
                await auditor.until_ended(TRANSFERS * number // (KILLS + 1))
                processes[-1].kill()
                processes.append(start())
            await auditor.until_ended(TRANSFERS)
    finally:
        for process in processes:
            process.kill()
    kept = auditor.books()
    assert kept.total == customers.COUNT * customers.OPENING_CENTS
    assert kept.on_its_way == {}
    assert dict(kept.ends) == {one.transfer_id: 1 for one in wanted}
