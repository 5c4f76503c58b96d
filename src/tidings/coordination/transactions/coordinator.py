"""The transaction coordinator: the state machine as a whole.

Each API has a file of its own here and one line below. A decision is a function of the state, the request and the time;
what lasts changes in `replay` alone: right after the decision was appended to the log, and in the same way when the log
is read again after a restart. A transaction whose end is decided is told to its partitions until they all know, over
any number of restarts: see `Markers` in `coordination.outcome`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tidings.coordination.groups.clock_jumps import ClockJumps
from tidings.coordination.outcome import ClientInfo, Markers, Now, Outcome, Producer, Ticket, TopicPartition
from tidings.coordination.timers import Key
from tidings.coordination.topics import TopicDirectory
from tidings.coordination.transactions import describe, end, partitions
from tidings.coordination.transactions.config import TransactionConfig
from tidings.coordination.transactions.init_producer_id import init_producer_id
from tidings.coordination.transactions.records import read_record, transaction_key, transaction_record
from tidings.coordination.transactions.registry import EXPIRY, TIMEOUT, Registry
from tidings.coordination.transactions.states import AT_REST, DECIDED, TransactionState
from tidings.coordination.transactions.transaction import VERSION_2, Transaction
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from tidings.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from tidings.wire.messages.describe_transactions import DescribeTransactionsRequest
from tidings.wire.messages.end_txn import EndTxnRequest
from tidings.wire.messages.init_producer_id import InitProducerIdRequest
from tidings.wire.messages.list_transactions import ListTransactionsRequest


class TransactionCoordinator:
    """`take_producer_id` gives a producer id that nobody had; at least one has to be at hand before each request.
    `offsets` is the partition that holds what groups commit; no producer adds one of the `internal` topics by itself.
    See `outcome` for what the caller owes.
    """

    def __init__(
        self,
        *,
        config: TransactionConfig,
        take_producer_id: Callable[[], int],
        topics: TopicDirectory,
        offsets: TopicPartition,
        internal: frozenset[str],
    ) -> None:
        self._registry = Registry(config, take_producer_id, topics, internal)
        self._offsets = offsets
        self._clock_jumps = ClockJumps()

    # --- requests ---

    def init_producer_id(self, request: InitProducerIdRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return init_producer_id(self._registry, request, client, now, ticket)

    def add_partitions(
        self, request: AddPartitionsToTxnRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return partitions.add_partitions(self._registry, request, client, now, ticket)

    def add_offsets(self, request: AddOffsetsToTxnRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return partitions.add_offsets(self._registry, request, self._offsets, client, now, ticket)

    def end(self, request: EndTxnRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return end.end_transaction(self._registry, request, client, now, ticket)

    def describe(self, request: DescribeTransactionsRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return describe.describe_transactions(self._registry, request, client, now, ticket)

    def list(self, request: ListTransactionsRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return describe.list_transactions(self._registry, request, client, now, ticket)

    # --- what other parts of the broker ask ---

    def add(self, transactional_id: str, producer: Producer, written: Iterable[TopicPartition], now: Now) -> Outcome:
        """A producer of version 2 is about to write to these partitions. Raises ApiError if it may not."""
        return partitions.add(self._registry, transactional_id, producer, written, VERSION_2, now)

    def verify(
        self, transactional_id: str, producer: Producer, written: Iterable[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Which of these partitions may not be written to right now, in its transaction, by this producer, and why."""
        return partitions.verify(self._registry, transactional_id, producer, written)

    def complete(self, markers: Markers, now: Now) -> Outcome:
        """All the markers of a decided transaction are safe."""
        return end.complete(self._registry, markers, now)

    # --- time ---

    def start(self, now: Now) -> Outcome:
        """To be called once, when the log is replayed. What was decided is told again; what was open may go on."""
        registry, outcome = self._registry, Outcome()
        self._clock_jumps.seen_at(now)
        self._expect_expiry(now)
        for transaction in registry.transactions.values():
            if transaction.state in DECIDED:
                outcome.markers.append(transaction.markers())
            elif transaction.state is TransactionState.ONGOING:
                open_ms = max(now.wall_ms - transaction.started_wall_ms, 0)
                rest_ms = max(transaction.timeout_ms - open_ms, 0)
                registry.timers.set((TIMEOUT, transaction.transactional_id), now.monotonic_ms + rest_ms)
        return outcome

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do next, by the monotonic clock."""
        return self._registry.timers.next_deadline_ms()

    def tick(self, now: Now) -> Iterator[Outcome]:
        """What has come due, one outcome each. The records of one are to be replayed before the next is asked for."""
        for key in self._registry.timers.due(now.monotonic_ms):
            yield self._come_due(key, now)

    def _come_due(self, key: Key, now: Now) -> Outcome:
        outcome = Outcome()
        if key[0] == EXPIRY:
            self._expect_expiry(now)
            if not self._clock_jumps.seen_at(now):
                self._forget_unused(now, outcome)
            return outcome
        transaction = self._registry.transactions.get(key[1])
        if transaction is not None and transaction.state is TransactionState.ONGOING:
            self._registry.timers.set(key, now.monotonic_ms + RETRY_MS)  # should it not be written
            self._registry.fence(transaction, now, outcome)
        return outcome

    def _expect_expiry(self, now: Now) -> None:
        interval_ms = self._registry.config.id_expiration_check_interval_ms
        self._registry.timers.set((EXPIRY,), now.monotonic_ms + interval_ms)

    def _forget_unused(self, now: Now, outcome: Outcome) -> None:
        before_ms = now.wall_ms - self._registry.config.id_expiration_ms
        for transaction in self._registry.transactions.values():
            if transaction.state in AT_REST and transaction.updated_wall_ms <= before_ms:
                outcome.records.append((transaction_key(transaction.transactional_id), None))

    # --- the log ---

    def replay(self, key: bytes, value: bytes | None, producer: Producer | None = None) -> None:
        """Do what the record says. Raises DiskError if it says nothing we know."""
        transactional_id, transaction = read_record(key, value)
        if transaction is None:
            self._registry.transactions.pop(transactional_id, None)
            self._registry.timers.cancel((TIMEOUT, transactional_id))
        else:
            self._registry.transactions[transactional_id] = transaction

    def snapshot(self) -> Iterator[tuple[bytes, bytes]]:
        """What lasts, as records. It may be taken in pieces while requests go on."""
        for transactional_id in list(self._registry.transactions):
            transaction = self._registry.transactions.get(transactional_id)
            if transaction is not None:
                key, value = transaction_record(transaction)
                assert value is not None
                yield key, value

    @property
    def durable_count(self) -> int:
        """How many records a snapshot has."""
        return len(self._registry.transactions)

    def transaction(self, transactional_id: str) -> Transaction | None:
        return self._registry.transactions.get(transactional_id)


RETRY_MS = 1000
"""When a transaction that could not be aborted in time is looked at again."""
