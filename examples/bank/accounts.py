"""Keeps the accounts: `tidings run bank.accounts`, in as many processes as one likes.

Each handler changes one balance and says so, and both happen, or neither: the balance, the answer and the place in the
stream are one transaction. Nobody holds two accounts at a time, so nothing is locked, and nothing waits for another
process: between its two accounts a transfer's money is in an event.
"""

import msgspec

from bank.events import (
    AccountOpened,
    TransferCompleted,
    TransferDebited,
    TransferRefused,
    TransferRequested,
    TransferReturned,
)
from tidings import Service

bank = Service("bank")


class Account(msgspec.Struct, frozen=True):
    balance_cents: int


accounts = bank.state(Account)


@bank.on
async def open_account(opened: AccountOpened) -> None:
    if opened.account_id not in accounts:
        accounts[opened.account_id] = Account(opened.balance_cents)


@bank.on
async def debit(wanted: TransferRequested) -> TransferDebited | TransferRefused:
    source = accounts.get(wanted.source)
    if source is None:
        return TransferRefused(wanted.transfer_id, f"there is no account {wanted.source}")
    if not 0 < wanted.amount_cents <= source.balance_cents:
        return TransferRefused(wanted.transfer_id, "not covered")
    accounts[wanted.source] = Account(source.balance_cents - wanted.amount_cents)
    return TransferDebited(wanted.transfer_id, wanted.source, wanted.target, wanted.amount_cents)


@bank.on
async def credit(debited: TransferDebited) -> TransferCompleted | TransferReturned:
    target = accounts.get(debited.target)
    if target is None:
        return TransferReturned(debited.transfer_id, debited.source, debited.target, debited.amount_cents)
    accounts[debited.target] = Account(target.balance_cents + debited.amount_cents)
    return TransferCompleted(debited.transfer_id, debited.source, debited.target, debited.amount_cents)


@bank.on
async def take_back(returned: TransferReturned) -> TransferRefused:
    source = accounts[returned.source]
    accounts[returned.source] = Account(source.balance_cents + returned.amount_cents)
    return TransferRefused(returned.transfer_id, f"there is no account {returned.target}")
