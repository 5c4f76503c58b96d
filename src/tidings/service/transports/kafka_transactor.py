"""Transactions through librdkafka: records and a group's marks, in one.

Each transactor has a thread of its own, in which librdkafka's calls block: begin, produce all, send the marks, commit.
Nothing is open while nobody asks, so no handler can be too slow for a transaction. Delivery reports are not asked for:
that a transaction was committed says all there is to say. Only when one failed is the next attempt made with reports,
to learn which record was to blame.

    what comes back                             what it means
    ------------------------------------------  -------------------------------------------------------------------
    a retriable error                           the same call again, for as long as it takes
    "abort", and the group has moved on         abort; StaleError
    "abort", and records failed for good        abort; find out which; NotWrittenError
    "abort" otherwise                           abort, and all of it again
    fatal, or fenced                            a new producer, which ends what the old one left; all of it again
    any of the last three, once the commit      it may have gone through: the group's marks tell, once nothing is
    was asked for                               undecided any more

KIP-98 (transactions), KIP-447 (fencing by the group's generation), KIP-360 (what a producer may survive).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tidings.errors import OperatorError, TidingsError
from tidings.service.transports.base import Mark, NotWrittenError, Outgoing, Place, RefusedError, StaleError
from tidings.service.transports.kafka_calls import Caller, LostCallError
from tidings.service.transports.kafka_errors import Outage, translate
from tidings.service.transports.kafka_instances import Instance
from tidings.service.transports.kafka_marks import ANSWER_S, Membership, committed_marks, topic_partitions
from tidings.service.transports.marks import includes

log = logging.getLogger("tidings.service")

AGAIN_S = 0.2
"""The pause before what failed is tried again."""
TRANSACTION_S = 10.0
"""After so long the broker ends by itself what was left undecided. (Kafka Streams has the same.)"""
BATCH_BYTES_MAX = 1_000_000
BATCH_BYTES_MIN = 1_000
FLUSH_S = 0.1

_MOVED_ON = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
}
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_NOT_ALLOWED = {
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}


class Member(Protocol):
    """The consumer whose marks are committed."""

    membership: Membership | None
    settled: threading.Event


class _ClosedError(TidingsError):
    """Nobody waits for the answer any more."""


class KafkaTransactor:
    def __init__(
        self,
        config: Mapping[str, Any],
        group_config: Mapping[str, Any],
        instance: Instance,
        member: Member,
        loop: asyncio.AbstractEventLoop,
        outage: Outage,
    ) -> None:
        """`config` is a producer's, `group_config` that of a consumer of the group."""
        self._config = {**config, "transaction.timeout.ms": round(TRANSACTION_S * 1000)}
        self._group_config = dict(group_config)
        self._instance = instance
        self._member = member
        self._loop = loop
        self._outage = outage
        self._batch_bytes = BATCH_BYTES_MAX
        self._producer: Producer | None = None
        self._deciding = False
        """The commit was asked for: from then on the outcome is known when it is told, or found out."""
        self._closing = threading.Event()
        self._caller = Caller("tidings-transactions")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tidings-transactor")
        self._thread.submit(self._prepare)

    # On the loop.

    async def commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        """See `base.Transactor`."""
        membership = self._member.membership  # of this moment: what is learned later may be about other partitions
        if membership is None:
            raise StaleError("not a member of the group now")
        await self._loop.run_in_executor(self._thread, self._commit, records, marks, membership)
        self._outage.over()

    async def close(self) -> None:
        self._closing.set()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._caller.close()
        self._producer = None
        self._instance.release()

    # In the thread.

    def _prepare(self) -> None:
        """Begin while the consumer joins its group: a new identity takes half a second, and ends what is left over."""
        with contextlib.suppress(TidingsError):  # the first transaction will tell
            self._producer = self._open()

    def _commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark], membership: Membership) -> None:
        while not self._member.settled.wait(ANSWER_S):  # a commit on another way must not come in behind this one
            self._check()
        attempt = _Attempt(records, topic_partitions(marks), membership.metadata)
        while True:
            try:
                self._write(attempt)
                self._decide()
                return
            except KafkaException as failure:
                error = failure.args[0]
            log.info("a transaction failed: %s (%s)", error.str(), error.name())
            self._end(error)
            if self._deciding and self._went_through(marks):
                return
            if error.code() in _MOVED_ON:
                raise StaleError(f"{error.str()} ({error.name()})")
            if suspects := attempt.refused(error):
                if refused := self._narrow(attempt, suspects):
                    raise NotWrittenError(refused)
                self._batch_less()
            attempt.watch()
            self._pause()

    def _write(self, attempt: _Attempt) -> None:
        """All of a transaction but its commit."""
        producer = self._producer = self._producer or self._open()
        self._deciding = False
        producer.begin_transaction()
        attempt.produce(producer, self._check)
        send_marks = partial(producer.send_offsets_to_transaction, attempt.marks, attempt.metadata, ANSWER_S)
        self._patiently(send_marks)
        if attempt.is_watched:
            while producer.flush(FLUSH_S) and not attempt.has_failed:
                self._patiently(send_marks)  # raises if the transaction has failed: what is left is not sent then
            attempt.check()

    def _decide(self) -> None:
        producer = self._producer
        assert producer is not None
        self._deciding = True
        self._patiently(lambda: producer.commit_transaction(ANSWER_S))

    def _patiently(self, step: Callable[[], object]) -> None:
        """Again and again, as long as it is only a matter of time."""
        while True:
            self._check()
            try:
                self._caller.call(step, ANSWER_S)
                return
            except LostCallError:
                self._caller = Caller("tidings-transactions")
                raise KafkaException(KafkaError(KafkaError._FATAL, "a call never returned", fatal=True)) from None
            except KafkaException as failure:
                error = failure.args[0]
                if not error.retriable() or error.txn_requires_abort() or error.fatal():
                    raise
                log.debug("a transaction waits: %s (%s)", error.str(), error.name())

    def _check(self) -> None:
        if self._closing.is_set():
            raise _ClosedError("closed")

    def _pause(self) -> None:
        self._closing.wait(AGAIN_S)
        self._check()

    # What failed.

    def _end(self, error: KafkaError | None) -> None:
        """Abort; a producer that cannot is let go, and the next one ends what it left."""
        producer = self._producer
        if producer is None:
            return
        fenced = error is not None and error.code() in _FENCED
        if fenced:
            self._instance.renew()
        if fenced or (error is not None and error.fatal()):
            self._producer = None
            return
        try:
            self._patiently(lambda: producer.abort_transaction(ANSWER_S))
        except KafkaException as failure:
            log.info("a transaction could not be aborted: %s", failure.args[0].str())
            self._producer = None

    def _went_through(self, marks: Mapping[Place, Mark]) -> bool:
        """Whether a commit that nobody heard of was one. Raises StaleError when others have gone on since."""
        self._producer = self._producer or self._open()  # nothing of ours is undecided then
        consumer = Consumer(self._group_config)
        try:
            found = committed_marks(consumer, list(marks), self._closing.is_set)
        finally:
            consumer.close()
        if found is None:
            raise _ClosedError("closed")
        done = [includes(found[place], mark) for place, mark in marks.items()]
        if any(done) and not all(done):  # it was all or nothing, so these are done by somebody else
            raise StaleError("others have gone on")
        return all(done)

    def _narrow(self, attempt: _Attempt, suspects: Mapping[int, RefusedError]) -> Mapping[int, RefusedError]:
        """Of records that failed together, one that fails by itself; none if each is taken by itself."""
        if len(suspects) == 1:
            return suspects
        indexes = list(suspects)
        half = len(indexes) // 2
        for part in (indexes[:half], indexes[half:]):
            trial = attempt.of([attempt.records[index] for index in part])
            error: KafkaError | None = None
            try:
                self._write(trial)
            except KafkaException as failure:
                error = failure.args[0]
            self._end(error)
            if found := trial.refused(error):
                return self._narrow(attempt, {part[index]: refusal for index, refusal in found.items()})
        return {}

    def _batch_less(self) -> None:
        """A stream's limit is for batches: smaller ones may pass."""
        self._batch_bytes = max(BATCH_BYTES_MIN, self._batch_bytes // 4)
        self._producer = None

    # Producers.

    def _open(self) -> Producer:
        while True:
            self._check()
            producer = Producer(
                {**self._config, "transactional.id": self._instance.id, "batch.size": self._batch_bytes}
            )
            try:
                self._patiently(partial(producer.init_transactions, ANSWER_S))
                return producer
            except KafkaException as failure:
                error = failure.args[0]
            if error.code() in _NOT_ALLOWED:
                raise OperatorError(
                    f"transactions as {self._instance.id} are not allowed: {error.str()}",
                    "Grant Write and Describe on the transactional ids that begin with the service's name, "
                    'or declare it Service(..., delivery="at_least_once").',
                )
            log.warning("no transactions yet: %s (%s); trying on", error.str(), error.name())
            self._pause()


class _Attempt:
    """What is to be written in one transaction; and, once it is watched, what became of each record."""

    def __init__(self, records: Sequence[Outgoing], marks: Sequence[TopicPartition], metadata: Any) -> None:
        self.records = records
        self.marks = list(marks)
        self.metadata = metadata
        self._reports: dict[int, KafkaError] = {}
        self.is_watched = False

    def watch(self) -> None:
        """From now on, ask what becomes of each record."""
        self.is_watched = True
        self._reports = {}

    def of(self, records: Sequence[Outgoing]) -> _Attempt:
        """The same with other records, watched."""
        other = _Attempt(records, self.marks, self.metadata)
        other.watch()
        return other

    def produce(self, producer: Producer, check: Callable[[], None]) -> None:
        self._reports = {}
        produce = producer.produce
        for index, (stream, key, value, headers) in enumerate(self.records):
            extra = {"on_delivery": self._reporter(index)} if self.is_watched else {}
            while True:
                try:
                    produce(stream, value, key, headers=headers, **extra)
                    break
                except BufferError:
                    check()
                    producer.poll(FLUSH_S)
                except KafkaException as failure:
                    if not self.is_watched or _ends_all(failure.args[0]):
                        raise
                    self._reports[index] = failure.args[0]  # refused before it was sent
                    break

    def _reporter(self, index: int) -> Callable[[KafkaError | None, Any], None]:
        reports = self._reports

        def report(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                reports[index] = error

        return report

    @property
    def has_failed(self) -> bool:
        return bool(self._reports)

    def check(self) -> None:
        """Raises KafkaException if a record is known to have failed."""
        for error in self._reports.values():
            raise KafkaException(error)

    def refused(self, error: KafkaError | None) -> dict[int, RefusedError]:
        """Those that will never be taken, as far as is known: by its report, or all for what all have failed of."""
        found = {
            index: refusal
            for index, report in self._reports.items()
            if isinstance(refusal := translate(report), RefusedError)
        }
        if found or not self.is_watched or error is None:
            return found
        refusal = translate(error)
        return dict.fromkeys(range(len(self.records)), refusal) if isinstance(refusal, RefusedError) else {}


def _ends_all(error: KafkaError) -> bool:
    """Whether it is about the transaction, not about one record."""
    return bool(error.txn_requires_abort() or error.fatal() or error.code() == KafkaError._STATE)
