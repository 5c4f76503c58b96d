"""The coordinator of transactions in memory: who may write under a transactional id, and how what he began ends."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from tidings.errors import TidingsError
from tidings.service.clock import Clock, Timer
from tidings.service.transports.base import Received

TIMEOUT_S = 10.0
"""How long a transaction may stay open before it is aborted for whoever began it and was not heard of since."""


class FencedError(TidingsError):
    """Somebody else has taken the transactional id, or the transaction took too long: what was open is aborted."""


class State(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Participant(Protocol):
    """What was changed in a transaction: partitions, and the positions of groups."""

    def ended(self, transaction: Transaction) -> None:
        """It is decided whether the change counts."""


class Transaction:
    def __init__(self, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self.state = State.OPEN
        self.records: list[Received] = []
        """In the order they were written, over all partitions."""
        self.participants: dict[Participant, None] = {}
        self.timer: Timer | None = None

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN

    @property
    def is_committed(self) -> bool:
        return self.state is State.COMMITTED

    def enlist(self, participant: Participant) -> None:
        self.participants[participant] = None

    def check(self) -> None:
        """Raises FencedError if there is nothing to go on with."""
        if not self.is_open:
            raise FencedError(f"the transaction of {self.transactional_id} is {self.state.value}")


class Transactions:
    def __init__(self, clock: Clock, on_end: Callable[[Transaction], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self.aborted = 0
        """How many have come to nothing."""

    @property
    def open(self) -> list[Transaction]:
        """Those that have begun and not ended, in the order they began."""
        return list(self._open.values())

    def init(self, transactional_id: str) -> int:
        """Take an id over: its predecessor is fenced, what that had open is aborted. Returns the epoch to begin in."""
        if (transaction := self._open.get(transactional_id)) is not None:
            self._end(transaction, State.ABORTED)
        epoch = self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        return epoch

    def begin(self, transactional_id: str, epoch: int) -> Transaction:
        """Raises FencedError."""
        if self._epochs.get(transactional_id) != epoch:
            raise FencedError(f"{transactional_id} is in other hands")
        assert transactional_id not in self._open, "one transaction after the other"
        transaction = self._open[transactional_id] = Transaction(transactional_id)
        transaction.timer = self._clock.call_later(TIMEOUT_S, lambda: self._expire(transaction))
        return transaction

    def commit(self, transaction: Transaction) -> None:
        """Raises FencedError."""
        transaction.check()
        self._end(transaction, State.COMMITTED)

    def abort(self, transaction: Transaction) -> None:
        """Raises FencedError."""
        transaction.check()
        self._end(transaction, State.ABORTED)

    def _expire(self, transaction: Transaction) -> None:
        """As in Kafka, it is also fenced: a commit that comes late must not meet the next transaction."""
        if transaction.is_open:
            self.init(transaction.transactional_id)

    def _end(self, transaction: Transaction, state: State) -> None:
        del self._open[transaction.transactional_id]
        transaction.state = state
        self.aborted += state is State.ABORTED
        if transaction.timer is not None:
            transaction.timer.cancel()
        for participant in transaction.participants:
            participant.ended(transaction)
        self._on_end(transaction)
