"""A transaction coordinator with a clock to turn by hand, a log in a list, and markers that wait to be written."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.coordination.harness import START_MONOTONIC_MS, START_WALL_MS, Topics, orders_and_payments, over_the_wire

from tidings.coordination.outcome import ClientInfo, Markers, Now, Outcome, Producer, Record, Ticket, TopicPartition
from tidings.coordination.transactions.config import TransactionConfig
from tidings.coordination.transactions.coordinator import TransactionCoordinator
from tidings.coordination.transactions.states import TransactionState
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from tidings.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

NAME = "mover"
TIMEOUT_MS = 60_000
ORDERS_0: TopicPartition = ("orders", 0)
OFFSETS: TopicPartition = ("__consumer_offsets", 0)
V1 = 4
"""The last version of EndTxn that is of the first version of transactions; V2 the first of the second."""
V2 = 5


class Transactions:
    """Obeys the contract of `coordination.outcome`, with a disk that is always done at once.

    Markers wait in `untold` until `tell`. What a partition was told is in `told`.
    """

    def __init__(self, config: TransactionConfig | None = None) -> None:
        self.config = config or TransactionConfig()
        self.topics: Topics = orders_and_payments()
        self.monotonic_ms = START_MONOTONIC_MS
        self.wall_ms = START_WALL_MS
        self.log: list[Record] = []
        self.replies: dict[Ticket, Message] = {}
        self.untold: list[Markers] = []
        self.told: list[Markers] = []
        self._versions: dict[Ticket, int] = {}
        self._ids = count(100)
        self.coordinator = self.fresh()
        self.apply(self.coordinator.start(self.now))

    def fresh(self) -> TransactionCoordinator:
        return TransactionCoordinator(
            config=self.config,
            take_producer_id=lambda: next(self._ids),
            topics=self.topics,
            offsets=OFFSETS,
            internal=frozenset({OFFSETS[0]}),
        )

    @property
    def now(self) -> Now:
        return Now(self.monotonic_ms, self.wall_ms)

    def apply(self, outcome: Outcome) -> None:
        for key, value in outcome.records:
            self.log.append((key, value))
            self.coordinator.replay(key, value)
        for ticket, message in outcome.replies:
            assert ticket not in self.replies, "a request was answered twice"
            self.replies[ticket] = over_the_wire(message, self._versions[ticket])
        self.untold += outcome.markers

    def send(self, method: str, request: Message, version: int) -> Ticket:
        ticket = object()
        self._versions[ticket] = version
        client = ClientInfo("app", "/127.0.0.1", version)
        self.apply(getattr(self.coordinator, method)(over_the_wire(request, version), client, self.now, ticket))
        return ticket

    def ask(self, method: str, request: Message, version: int) -> Any:
        return self.replies[self.send(method, request, version)]

    def tell(self) -> None:
        """Write all markers, safely."""
        untold, self.untold = self.untold, []
        for markers in untold:
            self.told.append(markers)
            self.apply(self.coordinator.complete(markers, self.now))

    def pass_time(self, milliseconds: int) -> None:
        end_ms = self.monotonic_ms + milliseconds
        while (due_ms := self.coordinator.next_deadline_ms()) is not None and due_ms <= end_ms:
            self._move_to(max(due_ms, self.monotonic_ms))
            for outcome in self.coordinator.tick(self.now):
                self.apply(outcome)
        self._move_to(end_ms)

    def _move_to(self, monotonic_ms: int) -> None:
        self.wall_ms += monotonic_ms - self.monotonic_ms
        self.monotonic_ms = monotonic_ms

    def restart(self) -> None:
        """All that was going on is lost, markers on their way too; what is in the log is not."""
        self.coordinator, self.untold = self.fresh(), []
        for key, value in self.log:
            self.coordinator.replay(key, value)
        self.apply(self.coordinator.start(self.now))

    # Producers.

    def init(
        self,
        name: str | None = NAME,
        *,
        last: Producer | None = None,
        timeout_ms: int = TIMEOUT_MS,
        version: int = 5,
    ) -> InitProducerIdResponse:
        producer_id, epoch = last or (-1, -1)
        request = InitProducerIdRequest(
            transactional_id=name, transaction_timeout_ms=timeout_ms, producer_id=producer_id, producer_epoch=epoch
        )
        reply = self.ask("init_producer_id", request, version)
        assert isinstance(reply, InitProducerIdResponse)
        return reply

    def producer(self, name: str = NAME, **options: Any) -> Producer:
        """A new producer, with whatever its predecessor left open brought to its end."""
        reply = self.init(name, **options)
        while reply.error_code == ErrorCode.CONCURRENT_TRANSACTIONS:
            self.tell()
            reply = self.init(name, **options)
        assert reply.error_code == ErrorCode.NONE
        return Producer(reply.producer_id, reply.producer_epoch)

    def add(self, producer: Producer, *partitions: TopicPartition, name: str = NAME) -> ErrorCode:
        """As Produce of version 2 does."""
        try:
            self.apply(self.coordinator.add(name, producer, partitions or [ORDERS_0], self.now))
        except ApiError as error:
            return error.code
        return ErrorCode.NONE

    def may_write(self, producer: Producer, partition: TopicPartition = ORDERS_0, name: str = NAME) -> ErrorCode:
        return self.coordinator.verify(name, producer, [partition]).get(partition, ErrorCode.NONE)

    def add_by_request(self, producer: Producer, topic: str, *indexes: int, version: int = 3) -> list[int]:
        """As producers of version 1 do: error codes."""
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=NAME,
            v3_and_below_producer_id=producer.producer_id,
            v3_and_below_producer_epoch=producer.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(indexes))],
        )
        reply = self.ask("add_partitions", request, version)
        (result,) = reply.results_by_topic_v3_and_below
        return [one.partition_error_code for one in result.results_by_partition]

    def end_request(self, producer: Producer, *, commit: bool, version: int = V2, name: str = NAME) -> Ticket:
        request = EndTxnRequest(
            transactional_id=name, producer_id=producer.producer_id, producer_epoch=producer.epoch, committed=commit
        )
        return self.send("end", request, version)

    def end(self, producer: Producer, *, commit: bool, version: int = V2, name: str = NAME) -> EndTxnResponse:
        """The end, with its markers written."""
        ticket = self.end_request(producer, commit=commit, version=version, name=name)
        self.tell()
        reply = self.replies[ticket]
        assert isinstance(reply, EndTxnResponse)
        return reply

    def next(self, producer: Producer, *, commit: bool) -> Producer:
        """Who the producer is after its transaction."""
        reply = self.end(producer, commit=commit)
        assert reply.error_code == ErrorCode.NONE
        return Producer(reply.producer_id, reply.producer_epoch)

    def state(self, name: str = NAME) -> TransactionState:
        found = self.coordinator.transaction(name)
        return TransactionState.DEAD if found is None else found.state
