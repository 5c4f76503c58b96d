"""The bank in worlds full of faults: the money is all there whenever one looks, and each transfer ends once.

TIDINGS_SEEDS says how many seeds to try: 40 unless told.
"""

from __future__ import annotations

import os

import pytest

from bank import customers
from bank.accounts import accounts, bank
from bank.books import Books
from bank.events import AccountOpened, TransferCompleted, TransferRefused, TransferRequested
from tidings import Faults, World
from tidings.testing.world_run import event_record

SEEDS = int(os.environ.get("TIDINGS_SEEDS", "40"))
SHARES = 4
"""Into which the seeds are divided, so that test processes side by side share them."""
FAULTS = Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.05)
ACCOUNTS = 4
TRANSFERS = 12
TOTAL_CENTS = ACCOUNTS * customers.OPENING_CENTS
LOOK_EVERY_S = 0.25


def books(world: World) -> Books:
    """What the log says so far, record by record as they became visible."""
    kept = Books()
    for _, record in world.broker.log:
        if (one := event_record(record)) is not None:
            kept.add(one.event)
    return kept


def balances() -> dict[object, int]:
    """What the bank itself says."""
    return {key: account.balance_cents for key, account in accounts.items()}


async def open_two(world: World) -> None:
    world.emit(AccountOpened("ada", 100))
    world.emit(AccountOpened("bo", 50))
    await world.settled()


async def test_money_goes_from_one_account_to_the_other() -> None:
    async with World(bank, seed=1) as world:
        await open_two(world)
        await world.emit(TransferRequested("t-1", "ada", "bo", 30)).settled()
        assert balances() == {"ada": 70, "bo": 80}
        assert world.emitted(TransferCompleted) == [TransferCompleted("t-1", "ada", "bo", 30)]


@pytest.mark.parametrize(
    ("source", "target", "amount_cents", "reason"),
    [
        ("ada", "bo", 101, "not covered"),
        ("ada", "bo", 0, "not covered"),
        ("ada", "bo", -5, "not covered"),
        ("nobody", "bo", 5, "there is no account nobody"),
        ("ada", "nobody", 5, "there is no account nobody"),
    ],
)
async def test_a_transfer_that_cannot_be_leaves_all_money_where_it_was(
    source: str, target: str, amount_cents: int, reason: str
) -> None:
    async with World(bank, seed=1) as world:
        await open_two(world)
        await world.emit(TransferRequested("t-1", source, target, amount_cents)).settled()
        assert balances() == {"ada": 100, "bo": 50}
        assert world.emitted(TransferRefused) == [TransferRefused("t-1", reason)]


async def test_an_account_that_is_opened_twice_keeps_its_money() -> None:
    async with World(bank, seed=1) as world:
        await open_two(world)
        await world.emit(AccountOpened("ada", 1_000_000)).settled()
        assert balances()["ada"] == 100


@pytest.mark.parametrize("share", range(SHARES))
async def test_no_cent_is_lost_or_made_and_each_transfer_ends_once(share: int) -> None:
    for seed in range(share, SEEDS, SHARES):
        async with World(bank, seed=seed, faults=FAULTS) as world:
            for opened in customers.accounts(ACCOUNTS):
                world.emit(opened)
            await world.settled()
            wanted = list(customers.transfers("t", TRANSFERS, ACCOUNTS, seed))
            for one in wanted:
                world.emit(one)
                await world.wait(LOOK_EVERY_S)
                assert books(world).total == TOTAL_CENTS
            run = await world.settled()
            kept = books(world)
            assert kept.total == TOTAL_CENTS
            assert (kept.on_its_way, kept.wrong, run.dead) == ({}, [], [])
            assert dict(kept.ends) == {one.transfer_id: 1 for one in wanted}
            assert balances() == kept.balances
