"""All transactional ids and what is going on with them: what every API of the coordinator works on."""

from __future__ import annotations

from collections.abc import Callable

from tidings.coordination.outcome import Now, Outcome, Ticket
from tidings.coordination.timers import Timers
from tidings.coordination.topics import TopicDirectory
from tidings.coordination.transactions.config import TransactionConfig
from tidings.coordination.transactions.records import transaction_record
from tidings.coordination.transactions.states import AT_REST, DECIDED, TransactionState
from tidings.coordination.transactions.transaction import VERSION_2, Transaction
from tidings.wire.error_codes import ApiError, ErrorCode

TIMEOUT = "timeout"
EXPIRY = "expiry"


class Registry:
    """`transactions` is what lasts, and changes in `replay` alone; deadlines a restart may forget.

    `take_producer_id` gives a new producer id; `internal` are topics that no producer writes to by itself.
    """

    def __init__(
        self,
        config: TransactionConfig,
        take_producer_id: Callable[[], int],
        topics: TopicDirectory,
        internal: frozenset[str],
    ) -> None:
        self.config = config
        self.take_producer_id = take_producer_id
        self.topics = topics
        self.internal = internal
        self.transactions: dict[str, Transaction] = {}
        self.timers = Timers()

    def known(self, transactional_id: str, producer_id: int) -> Transaction:
        """Raises ApiError INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING."""
        if not transactional_id:
            raise ApiError(ErrorCode.INVALID_REQUEST, "a transactional id is not empty")
        found = self.transactions.get(transactional_id)
        if found is None or found.producer_id != producer_id:
            raise ApiError(ErrorCode.INVALID_PRODUCER_ID_MAPPING, f"{transactional_id} is not producer {producer_id}")
        return found

    def write(self, outcome: Outcome, transaction: Transaction, now: Now, ticket: Ticket | None = None) -> None:
        """Let the outcome bring `transaction` about, and what follows from it; its end answers `ticket`."""
        outcome.records.append(transaction_record(transaction))
        if transaction.state in DECIDED:
            outcome.markers.append(transaction.markers(ticket))
        before = self.transactions.get(transaction.transactional_id)
        if transaction.state is TransactionState.ONGOING and before is not None and before.state in AT_REST:
            # Never cancelled: should the end of a transaction not be written, it is still to be timed out.
            self.timers.set((TIMEOUT, transaction.transactional_id), now.monotonic_ms + transaction.timeout_ms)

    def fence(self, current: Transaction, now: Now, outcome: Outcome) -> None:
        """Abort an ongoing transaction in the name of an epoch that nobody has: its owner writes no more."""
        fenced = current.decided(TransactionState.PREPARE_ABORT, VERSION_2, now.wall_ms, fencing=True)
        self.write(outcome, fenced, now)


def known_as(code: ErrorCode, api_version: int, fenced_since: int) -> ErrorCode:
    """Producers before version `fenced_since` of an API know by another name that they are fenced."""
    is_older = code is ErrorCode.PRODUCER_FENCED and api_version < fenced_since
    return ErrorCode.INVALID_PRODUCER_EPOCH if is_older else code
