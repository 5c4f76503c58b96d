"""A service with state in a process of its own, to be killed: `python counting_process.py NAME`."""

from __future__ import annotations

import sys

import msgspec

from tidings import Service, State, event


@event("kill-payments", key="account")
class Paid(msgspec.Struct, frozen=True):
    account: str
    n: int


@event("kill-balances", key="account")
class Balanced(msgspec.Struct, frozen=True):
    account: str
    n: int
    """The payment that it was told of."""
    total: int
    payments: int


class Account(msgspec.Struct, frozen=True):
    total: int = 0
    payments: int = 0


def counting(name: str) -> Service:
    service = Service(name)

    @service.on
    async def count(paid: Paid, accounts: State[Account]) -> Balanced:
        before = accounts.get(paid.account, Account())
        after = accounts[paid.account] = Account(before.total + paid.n, before.payments + 1)
        return Balanced(paid.account, paid.n, after.total, after.payments)

    return service


if __name__ == "__main__":
    counting(sys.argv[1]).run()
