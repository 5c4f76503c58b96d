"""The contract: what happens in the bank. Amounts are in cents.

Whatever concerns an account is in one stream, in the order in which it concerns that account: a transfer is about its
source until it is debited, and about its target from then on.
"""

import msgspec

from tidings import event


@event("accounts", key="account_id")
class AccountOpened(msgspec.Struct, frozen=True):
    """Somebody has an account now, with money in it that they brought."""

    account_id: str
    balance_cents: int


@event("accounts", key="source")
class TransferRequested(msgspec.Struct, frozen=True):
    """Somebody wants money to go from one account to another."""

    transfer_id: str
    source: str
    target: str
    amount_cents: int


@event("accounts", key="target")
class TransferDebited(msgspec.Struct, frozen=True):
    """The money has left its source, and is on its way."""

    transfer_id: str
    source: str
    target: str
    amount_cents: int


@event("accounts", key="source")
class TransferReturned(msgspec.Struct, frozen=True):
    """There is no such target: the money is on its way back."""

    transfer_id: str
    source: str
    target: str
    amount_cents: int


@event("transfers", key="transfer_id")
class TransferCompleted(msgspec.Struct, frozen=True):
    """The money has arrived."""

    transfer_id: str
    source: str
    target: str
    amount_cents: int


@event("transfers", key="transfer_id")
class TransferRefused(msgspec.Struct, frozen=True):
    """All of the money is where it was."""

    transfer_id: str
    reason: str
