"""The power is cut at each write and sync of a few transactions: afterwards each of them is there whole, or not."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create
from tests.broker.data import fetch
from tests.broker.transactional import READ_COMMITTED, Mover, committed

from tidings.broker.config import BrokerConfig
from tidings.broker.server import Broker
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.wire.error_codes import ErrorCode
from tidings.wire.records import batches, records

FOLDER = "/data"
CUTS_MAX = 400
"""More than there are operations; the last one must not be reached."""
SEEDS = 3


class Disk:
    """Loses its power before operation `cut_at`. What was not synced is lost, there or torn, as `seed` has it."""

    def __init__(self, cut_at: int, seed: int) -> None:
        self.files = MemoryFiles()
        self.files.mkdir(FOLDER)
        self.files.sync_dir("")
        self.is_cut = asyncio.Event()
        self._cut_at = cut_at
        self._chance = Random(seed)
        self._count = 0
        self._loop = asyncio.get_running_loop()

    def arm(self) -> None:
        """Count from here on."""
        self.files.inject = self._meet

    def _meet(self, operation: str, path: str) -> Fault | None:
        if operation in ("append", "sync"):
            self._count += 1
        if self._count < self._cut_at:
            return None
        if not self.is_cut.is_set() and self._count == self._cut_at:
            self._count += 1
            self.files.power_cut(self._chance)
            self._loop.call_soon_threadsafe(self.is_cut.set)
        return Fault(errno.EIO)


async def opened(disk: Disk) -> Broker:
    return await Broker.open(BrokerConfig(data=Path(FOLDER), port=0), files=disk.files)


class History:
    """What was asked for, and what was promised."""

    def __init__(self) -> None:
        self.wanted: dict[int, bool] = {}
        self.promised: set[int] = set()


async def transact(mover: Mover, history: History) -> None:
    """Four transactions, the third of which aborts: a record in each of two partitions, and an offset."""
    for number in range(4):
        commit = number != 2
        value = b"%d" % number
        codes = [await mover.produce(value, index=index) for index in range(2)]
        codes.append(await mover.commit_offset(number))
        if any(codes):
            return
        history.wanted[number] = commit
        if await mover.end(commit=commit) != ErrorCode.NONE:
            return
        history.promised.add(number)


async def cut_during(disk: Disk) -> tuple[History, bool]:
    """What happened until the disk was cut, and whether it was."""
    broker = await opened(disk)
    history = History()
    try:
        await create(broker, "orders", 2)
        async with await Client.connect(broker.address) as client:
            mover = await Mover(client).take_over()
            disk.arm()
            work = asyncio.create_task(transact(mover, history))
            cut = asyncio.create_task(disk.is_cut.wait())
            await asyncio.wait({work, cut}, return_when=asyncio.FIRST_COMPLETED)
            if not disk.is_cut.is_set():
                cut.cancel()
                await work
                return history, False
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
    finally:
        if not disk.is_cut.is_set():
            disk.files.inject = None
        await broker.close()
        disk.files.inject = None
    return history, True


async def read_committed(client: Client, index: int) -> list[int]:
    """The numbers of the transactions that are seen in a partition, from which no other is held back."""
    found = (await fetch(client, ("orders", index, 0), isolation_level=READ_COMMITTED))["orders", index]
    assert found.last_stable_offset == found.high_watermark, "a transaction hangs"
    aborted = {one.first_offset for one in found.aborted_transactions or ()}
    data = found.records or b""
    return [
        int(record.value or b"")
        for position, header in batches(data)
        if not header.is_control and header.base_offset not in aborted  # they have one batch each
        for record in records(data, position)
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_after_a_power_cut_each_transaction_is_there_whole_or_not_at_all(seed: int) -> None:
    for cut_at in range(1, CUTS_MAX):
        disk = Disk(cut_at, seed * CUTS_MAX + cut_at)
        history, was_cut = await cut_during(disk)
        broker = await opened(disk)
        try:
            async with await Client.connect(broker.address) as client:
                await Mover(client).take_over()
                seen = [await read_committed(client, index) for index in range(2)]
                offset = await committed(client)
        finally:
            await broker.close()
        assert seen[0] == seen[1], f"cut at {cut_at}: half a transaction"
        assert offset == max(seen[0], default=-1), f"cut at {cut_at}: an offset without its records, or they without it"
        assert set(seen[0]) <= {number for number, commit in history.wanted.items() if commit}
        assert set(seen[0]) >= {number for number in history.promised if history.wanted[number]}
        if not was_cut:
            return
    pytest.fail("the transactions take more operations than were cut")
