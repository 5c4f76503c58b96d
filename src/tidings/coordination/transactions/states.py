"""The states of a transaction, and which may follow which. Numbered and named as Apache Kafka does.

    Empty ------> Ongoing ------> PrepareCommit ------> CompleteCommit
      ^             |  ^               (markers)             |
      |             v  |                                     |
      |        PrepareAbort ------> CompleteAbort            |
      |             ^  (markers)         |                   |
      +-------------+--------------------+-------------------+   a new producer, a new transaction, an empty abort

PrepareEpochFence and Dead are never stored: a fenced producer's transaction goes to PrepareAbort with the same record
that raises the epoch, and an id that expires is taken out of the log.
"""

from __future__ import annotations

from enum import IntEnum


class TransactionState(IntEnum):
    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def title(self) -> str:
        """As clients are told it: `PrepareCommit`."""
        return self.name.title().replace("_", "")


AT_REST = frozenset({TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT})
"""No transaction is open."""
DECIDED = frozenset({TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT})
"""How it ends is on record; the partitions are being told."""

PREVIOUS = {
    TransactionState.EMPTY: AT_REST,
    TransactionState.ONGOING: AT_REST | {TransactionState.ONGOING},
    TransactionState.PREPARE_COMMIT: frozenset({TransactionState.ONGOING}),
    TransactionState.PREPARE_ABORT: AT_REST | {TransactionState.ONGOING},
    TransactionState.COMPLETE_COMMIT: frozenset({TransactionState.PREPARE_COMMIT}),
    TransactionState.COMPLETE_ABORT: frozenset({TransactionState.PREPARE_ABORT}),
}
"""The states from which each may be reached."""
