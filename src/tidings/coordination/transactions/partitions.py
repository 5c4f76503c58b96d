"""Which partitions a transaction writes to: AddPartitionsToTxn, AddOffsetsToTxn, and the check that nothing is late.

A partition is on record before anything is written to it, so that after any crash it gets its marker. Producers of
version 1 ask for that; for those of version 2 Produce and TxnOffsetCommit do it themselves (KIP-890).

AddPartitionsToTxn v2 PRODUCER_FENCED; v4 several transactions in one request, and questions only (`verify_only`), as
brokers ask each other; v5 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidings.coordination.outcome import ClientInfo, Now, Outcome, Producer, Ticket, TopicPartition
from tidings.coordination.transactions.registry import Registry, known_as
from tidings.coordination.transactions.states import AT_REST, DECIDED, TransactionState
from tidings.coordination.transactions.transaction import VERSION_2, Transaction
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from tidings.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

SEVERAL_TRANSACTIONS_SINCE = 4
ABORTABLE_SINCE = 5
PRODUCER_FENCED_SINCE = 2
Codes = Mapping[TopicPartition, ErrorCode]


def add(
    registry: Registry,
    transactional_id: str,
    producer: Producer,
    partitions: Iterable[TopicPartition],
    version: int,
    now: Now,
) -> Outcome:
    """Let the transaction write to `partitions` too; it begins with the first. Raises ApiError if it may not."""
    outcome = Outcome()
    current = _find(registry, transactional_id, producer)
    wanted = (
        current.partitions.union(partitions) if current.state is TransactionState.ONGOING else frozenset(partitions)
    )
    if current.state is not TransactionState.ONGOING or wanted != current.partitions:
        started_ms = now.wall_ms if current.state in AT_REST else current.started_wall_ms
        ongoing = current.moved(
            TransactionState.ONGOING, now.wall_ms, partitions=wanted, started_wall_ms=started_ms, version=version
        )
        registry.write(outcome, ongoing, now)
    return outcome


def verify(
    registry: Registry, transactional_id: str, producer: Producer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, ErrorCode]:
    """Those of `partitions` that the producer may not write to in its transaction at present, and why."""
    try:
        current = _find(registry, transactional_id, producer)
    except ApiError as error:
        return dict.fromkeys(partitions, error.code)
    allowed = current.partitions if current.state is TransactionState.ONGOING else ()
    return {partition: ErrorCode.TRANSACTION_ABORTABLE for partition in partitions if partition not in allowed}


def add_partitions(
    registry: Registry, request: AddPartitionsToTxnRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    if client.api_version >= SEVERAL_TRANSACTIONS_SINCE:
        results = []
        for asked in _each_once(request.transactions):
            codes = _decide(registry, asked, client.api_version, now, outcome)
            results.append(
                AddPartitionsToTxnResult(
                    transactional_id=asked.transactional_id, topic_results=topic_results(asked.topics, codes)
                )
            )
        outcome.reply(ticket, AddPartitionsToTxnResponse(results_by_transaction=results))
        return outcome
    asked = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    codes = _decide(registry, asked, client.api_version, now, outcome)
    outcome.reply(ticket, AddPartitionsToTxnResponse(results_by_topic_v3_and_below=topic_results(asked.topics, codes)))
    return outcome


def add_offsets(
    registry: Registry,
    request: AddOffsetsToTxnRequest,
    offsets: TopicPartition,
    client: ClientInfo,
    now: Now,
    ticket: Ticket,
) -> Outcome:
    """`offsets` is the partition that holds what the group commits."""
    outcome, code = Outcome(), ErrorCode.NONE
    try:
        producer = Producer(request.producer_id, request.producer_epoch)
        outcome = add(registry, request.transactional_id, producer, [offsets], 0, now)
    except ApiError as error:
        code = known_as(error.code, client.api_version, PRODUCER_FENCED_SINCE)
    outcome.reply(ticket, AddOffsetsToTxnResponse(error_code=code))
    return outcome


def topic_results(
    topics: Iterable[AddPartitionsToTxnTopic], codes: Codes, default: ErrorCode = ErrorCode.NONE
) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(
                    partition_index=index, partition_error_code=codes.get((topic.name, index), default)
                )
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]


def _each_once(transactions: Iterable[AddPartitionsToTxnTransaction]) -> Iterable[AddPartitionsToTxnTransaction]:
    """One decision for each transactional id: the second would not see what the first one brings about."""
    return {asked.transactional_id: asked for asked in transactions}.values()


def _decide(
    registry: Registry, asked: AddPartitionsToTxnTransaction, api_version: int, now: Now, outcome: Outcome
) -> dict[TopicPartition, ErrorCode]:
    """Error codes, where there are any. All partitions are added or, if anything is wrong with one, none."""
    producer = Producer(asked.producer_id, asked.producer_epoch)
    partitions = [(topic.name, index) for topic in asked.topics for index in topic.partitions]
    if asked.verify_only:
        found = verify(registry, asked.transactional_id, producer, partitions)
        return {partition: _in_version(code, api_version) for partition, code in found.items()}
    codes = {
        (name, index): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for name, index in partitions
        if not 0 <= index < registry.topics.partition_count(name)
    }
    codes |= {
        (name, index): ErrorCode.TOPIC_AUTHORIZATION_FAILED for name, index in partitions if name in registry.internal
    }
    if codes:
        return dict.fromkeys(partitions, ErrorCode.OPERATION_NOT_ATTEMPTED) | codes
    version = VERSION_2 if api_version >= SEVERAL_TRANSACTIONS_SINCE else 0
    try:
        outcome.records += add(registry, asked.transactional_id, producer, partitions, version, now).records
    except ApiError as error:
        return dict.fromkeys(partitions, _in_version(error.code, api_version))
    return {}


def _in_version(code: ErrorCode, api_version: int) -> ErrorCode:
    if code is ErrorCode.TRANSACTION_ABORTABLE and api_version < ABORTABLE_SINCE:
        return ErrorCode.INVALID_TXN_STATE
    return known_as(code, api_version, PRODUCER_FENCED_SINCE)


def _find(registry: Registry, transactional_id: str, producer: Producer) -> Transaction:
    current = registry.known(transactional_id, producer.producer_id)
    if current.epoch != producer.epoch:
        raise ApiError(ErrorCode.PRODUCER_FENCED, f"epoch {producer.epoch} of {transactional_id} is over")
    if current.state in DECIDED:
        raise ApiError(ErrorCode.CONCURRENT_TRANSACTIONS, f"a transaction of {transactional_id} is being ended")
    return current
