"""What lasts of one transactional id: its producer, and how far its transaction has come. Never changed, but replaced.

A producer epoch tells the instances of a producer apart, and, from version 2 of transactions on (KIP-890), each of its
transactions: what comes late from an earlier one has an earlier epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tidings.coordination.outcome import Markers, Ticket, TopicPartition
from tidings.coordination.transactions.states import PREVIOUS, TransactionState

NO_PRODUCER_ID = -1
NO_EPOCH = -1
NO_TIME = -1
EPOCH_MAX = 0x7FFF
"""Never given to a client, so that there is always one left to fence it with."""

VERSION_2 = 2
"""Of transactions: every end bumps the epoch, and writing to a partition adds it (KIP-890). 0 are all before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Times are milliseconds since 1970. `version` is that of transactions, as its producer last spoke it."""

    transactional_id: str
    producer_id: int
    epoch: int
    timeout_ms: int
    state: TransactionState
    previous_producer_id: int = NO_PRODUCER_ID
    next_producer_id: int = NO_PRODUCER_ID
    last_epoch: int = NO_EPOCH
    """The one before, if its owner was given the current one: a request that is repeated may name it."""
    partitions: frozenset[TopicPartition] = frozenset()
    started_wall_ms: int = NO_TIME
    updated_wall_ms: int = NO_TIME
    version: int = 0

    def moved(self, state: TransactionState, wall_ms: int, **changes: Any) -> Transaction:
        """What it is to become."""
        if self.state not in PREVIOUS[state]:
            raise ValueError(f"{self.transactional_id} cannot go from {self.state.title} to {state.title}")
        previous = {"previous_producer_id": self.producer_id}
        return replace(self, state=state, updated_wall_ms=wall_ms, **(previous | changes))

    @property
    def has_exhausted_epochs(self) -> bool:
        return is_exhausted(self.epoch)

    def decided(
        self,
        state: TransactionState,
        version: int,
        wall_ms: int,
        *,
        next_producer_id: int = NO_PRODUCER_ID,
        fencing: bool = False,
    ) -> Transaction:
        """With its end decided. In version 2 that takes an epoch, and `fencing` takes one before."""
        epoch = self.epoch + fencing + (version == VERSION_2)
        last_epoch = NO_EPOCH if fencing else self.epoch if version == VERSION_2 else self.last_epoch
        started_ms = self.started_wall_ms if self.state is TransactionState.ONGOING else wall_ms
        return self.moved(
            state,
            wall_ms,
            epoch=min(epoch, EPOCH_MAX),
            last_epoch=last_epoch,
            next_producer_id=next_producer_id,
            started_wall_ms=started_ms,
            version=version,
        )

    def markers(self, ticket: Ticket | None = None) -> Markers:
        """What a decided transaction has to tell its partitions."""
        commit = self.state is TransactionState.PREPARE_COMMIT
        return Markers(self.transactional_id, self.producer_id, self.epoch, commit, self.partitions, ticket)


def is_exhausted(epoch: int) -> bool:
    return epoch >= EPOCH_MAX - 1
