"""`kill -9` of services with state: every event counts once, in the state as in what is emitted."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.service.counting_process import Account, Balanced, Paid, counting

from tidings import Service
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

PAYMENTS = 2_000
ACCOUNTS = 40


@pytest.mark.timeout(120)
async def test_killed_services_count_every_event_once_and_hand_their_state_on(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    watching, paying = Service("watching"), Service("paying")
    told: dict[str, list[Balanced]] = defaultdict(list)
    progress = asyncio.Event()

    @watching.on
    async def watch(balanced: Balanced) -> None:
        told[balanced.account].append(balanced)
        progress.set()

    async def heard(count: int) -> None:
        while sum(map(len, told.values())) < count:
            progress.clear()
            await progress.wait()

    processes = [start(), start()]
    try:
        async with asyncio.timeout(100), watching, paying:
            emitting = asyncio.create_task(pay(paying))
            for part, process in enumerate(list(processes), start=1):
                await heard(PAYMENTS * part // 4)
                process.kill()
                processes.append(start())
            await emitting
            await heard(PAYMENTS)
    finally:
        for process in processes:
            process.kill()
    numbers = {f"a-{account}": list(range(account, PAYMENTS, ACCOUNTS)) for account in range(ACCOUNTS)}
    assert {account: [one.n for one in balances] for account, balances in told.items()} == numbers
    for balances in told.values():
        assert [one.payments for one in balances] == list(range(1, len(balances) + 1))
    assert await rebuilt(monkeypatch, broker) == {key: Account(sum(ns), len(ns)) for key, ns in numbers.items()}


def start() -> ChildProcess:
    script = Path(__file__).with_name("counting_process.py")
    return ChildProcess([sys.executable, str(script), "counting"], dict(os.environ))


async def pay(paying: Service) -> None:
    for begin in range(0, PAYMENTS, ACCOUNTS):
        await asyncio.gather(*(paying.emit(Paid(f"a-{n % ACCOUNTS}", n)) for n in range(begin, begin + ACCOUNTS)))


async def rebuilt(monkeypatch: pytest.MonkeyPatch, broker: BrokerProcess) -> dict[str, Account]:
    """The state as another machine finds it."""
    monkeypatch.setenv("TIDINGS_STATE", str(broker.data / "elsewhere"))
    service = counting("counting")
    accounts = service.state(Account)
    async with asyncio.timeout(60), service:
        while len(accounts.complete) < 6:  # the killed ones are members of the group until their sessions run out
            await asyncio.sleep(0.05)
        return {str(key): account for key, account in accounts.items()}
