"""Puts the transaction coordinator together with what this broker has, and lets producers write only what they may.

The order in which a transaction reaches the disk is what makes it whole after any crash:

1. A partition is on record before the first batch is written to it (`admit`), so that it will get its marker.
2. The end is on record before the first marker is written, so that all markers say the same.
3. All markers are safe before it is on record that they are (`complete`).

Whoever is admitted is asked once more right before it writes (`refusal_of`): meanwhile the transaction may be over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic_names import GROUP_OFFSETS, INTERNAL, TRANSACTIONS
from tidings.broker.clock import Clock
from tidings.broker.coordinators.groups import CatalogTopics, GroupRuntime
from tidings.broker.coordinators.marker_writer import Failed, MarkerWriter
from tidings.broker.coordinators.on_demand import OnDemandRuntime
from tidings.broker.coordinators.producer_id_blocks import ProducerIdBlocks
from tidings.broker.coordinators.runtime import Decide, R
from tidings.broker.durability import Durability
from tidings.broker.requests.dispatch import Context
from tidings.coordination.outcome import Markers, Outcome, Producer, TopicPartition
from tidings.coordination.transactions.config import TransactionConfig
from tidings.coordination.transactions.coordinator import TransactionCoordinator
from tidings.coordination.transactions.records import transaction_key
from tidings.coordination.transactions.refusals import refusal
from tidings.coordination.transactions.states import DECIDED
from tidings.errors import DiskError
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.init_producer_id import InitProducerIdRequest

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""When markers that could not be written are tried again."""
OFFSETS_PARTITION: TopicPartition = (GROUP_OFFSETS, 0)


class Claim(NamedTuple):
    """A producer wants to write to these partitions in its transaction, and adds them to it if it `adds` (KIP-890)."""

    transactional_id: str
    producer: Producer
    partitions: frozenset[TopicPartition]
    adds: bool


class TransactionRuntime(OnDemandRuntime[TransactionCoordinator]):
    """Its log is made for the first producer that has a transactional id; before that there is nothing to know.

    Transactions whose end was decided are ended when it is opened.
    """

    what = "transactions"
    topic = TRANSACTIONS

    def __init__(
        self,
        coordinator: TransactionCoordinator,
        markers: MarkerWriter,
        ids: ProducerIdBlocks,
        catalog: Catalog,
        durability: Durability,
        clock: Clock,
    ) -> None:
        super().__init__(coordinator, refusal, catalog, durability, clock)
        self.markers = markers
        self._ids = ids
        self._unsafe_appends: dict[bytes, int] = {}
        """By the key of its record, the last append about a transactional id."""
        self._waiting: Counter[str] = Counter()
        """Claims of each transactional id that wait."""

    async def ask_with_id(self, decide: Decide[R], request: R, context: Context) -> Message:
        """`ask`, for what may take a producer id."""
        try:
            await self._ids.ensure()
        except DiskError as error:
            log.error("no producer ids could be claimed: %s", error)
            return refusal(request, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, context.api_version)  # as in Kafka
        return await self.ask(decide, request, context)

    async def init_producer_id(self, request: InitProducerIdRequest, context: Context) -> Message:
        """The one request that there can be first."""
        if request.transactional_id:
            await self.begin()
        return await self.ask_with_id(self.coordinator.init_producer_id, request, context)

    # Who may write.

    def admit(self, claim: Claim, then: Callable[[], None]) -> None:
        """Call `then` when it is on record, safely, what the claim writes to: at once, if it is already.

        Claims of the same transactional id get their turn in the order they came in.
        """
        if claim.adds and self._log is not None:
            with suppress(ApiError):  # `refusal_of` says it again
                self._run(self.coordinator.add(claim.transactional_id, claim.producer, claim.partitions, self._now()))
                self._set_timer()
        if not self._waiting[claim.transactional_id] and self._is_safe(claim.transactional_id):
            then()
            return
        self._waiting[claim.transactional_id] += 1
        self._unsafe.append((self._appended, partial(self._admitted, claim, then)))

    def admitted(self, claim: Claim) -> asyncio.Future[None]:
        """`admit`, as a future."""
        future: asyncio.Future[None] = self._loop.create_future()
        self.admit(claim, lambda: None if future.done() else future.set_result(None))
        return future

    def refusal_of(self, transactional_id: str, producer: Producer, partition: TopicPartition) -> ErrorCode:
        """Why the producer may not write to the partition right now; NONE if it may."""
        if not self.is_available:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        codes = self.coordinator.verify(transactional_id, producer, [partition])
        return codes.get(partition, ErrorCode.NONE)

    def _admitted(self, claim: Claim, then: Callable[[], None]) -> None:
        self._waiting[claim.transactional_id] -= 1
        if not self._waiting[claim.transactional_id]:
            del self._waiting[claim.transactional_id]
        then()

    def _is_safe(self, transactional_id: str) -> bool:
        key = transaction_key(transactional_id)
        if self._unsafe_appends.get(key, 0) > self._safe:
            return False
        self._unsafe_appends.pop(key, None)
        return True

    def _append(self, outcome: Outcome) -> bool:
        is_appended = super()._append(outcome)
        if is_appended and self._safe != self._appended:
            for key, _ in outcome.records:
                self._unsafe_appends[key] = self._appended
        return is_appended

    # How a transaction ends.

    def _release(self, outcome: Outcome) -> None:
        super()._release(outcome)
        for markers in outcome.markers:
            self._tell(markers, markers.partitions)

    def _tell(self, markers: Markers, partitions: Iterable[TopicPartition]) -> None:
        """The decision is safe: let the partitions know."""
        if self._log is not None:
            producer = Producer(markers.producer_id, markers.producer_epoch)
            self.markers.write_all(partitions, producer, commit=markers.commit, done=partial(self._told, markers))

    def _told(self, markers: Markers, failed: Failed) -> None:
        if self._log is None:
            return  # the next start tells them again
        if failed:
            for (topic, index), error in failed.items():
                log.error("%s-%d is not told how %s ended: %s", topic, index, markers.transactional_id, error)
            self._loop.call_later(RETRY_S, self._tell, markers, list(failed))
            return
        self._run(self.coordinator.complete(markers, self._now()))
        self._set_timer()
        transaction = self.coordinator.transaction(markers.transactional_id)
        if transaction is not None and transaction.state in DECIDED:  # it could not be written
            self._loop.call_later(RETRY_S, self._told, markers._replace(ticket=None), {})


def open_transactions(
    catalog: Catalog,
    groups: GroupRuntime,
    ids: ProducerIdBlocks,
    durability: Durability,
    clock: Clock,
    config: TransactionConfig,
) -> TransactionRuntime:
    """The coordinator, with all that is in its log."""
    coordinator = TransactionCoordinator(
        config=config,
        take_producer_id=ids.take,
        topics=CatalogTopics(catalog),
        offsets=OFFSETS_PARTITION,
        internal=INTERNAL,
    )
    markers = MarkerWriter(catalog, groups, durability, clock)
    transactions = TransactionRuntime(coordinator, markers, ids, catalog, durability, clock)
    transactions.open()
    return transactions
