"""The records of `__transaction_state`, in Kafka's own format: one per transactional id, replaced as it changes.

Key and value begin with two bytes for their version. We write those that Kafka 4 writes (key 0, value 1), and read all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tidings.coordination.outcome import Record, TopicPartition
from tidings.coordination.transactions.states import TransactionState
from tidings.coordination.transactions.transaction import Transaction
from tidings.errors import DiskError
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.messages.transaction_records import PartitionsSchema, TransactionLogKey, TransactionLogValue
from tidings.wire.primitives import MalformedError

_VERSION = struct.Struct(">h")
KEY_VERSION = 0
VALUE_VERSION = 1


def transaction_key(transactional_id: str) -> bytes:
    return _VERSION.pack(KEY_VERSION) + encode_bytes(TransactionLogKey(transactional_id=transactional_id), 0)


def transaction_record(transaction: Transaction) -> Record:
    is_empty = transaction.state is TransactionState.EMPTY
    value = TransactionLogValue(
        producer_id=transaction.producer_id,
        previous_producer_id=transaction.previous_producer_id,
        next_producer_id=transaction.next_producer_id,
        producer_epoch=transaction.epoch,
        transaction_timeout_ms=transaction.timeout_ms,
        transaction_status=transaction.state,
        transaction_partitions=None if is_empty else _by_topic(transaction.partitions),
        transaction_last_update_timestamp_ms=transaction.updated_wall_ms,
        transaction_start_timestamp_ms=transaction.started_wall_ms,
        client_transaction_version=transaction.version,
        last_producer_epoch=transaction.last_epoch,
    )
    packed = _VERSION.pack(VALUE_VERSION) + encode_bytes(value, VALUE_VERSION)
    return transaction_key(transaction.transactional_id), packed


def read_record(key: bytes, value: bytes | None) -> tuple[str, Transaction | None]:
    """The transactional id, and what is known of it; None if it was forgotten.

    Raises DiskError for a record that this version of Tidings does not know: to skip it would be to lose it.
    """
    try:
        (kind,) = _VERSION.unpack_from(key)
        if kind != KEY_VERSION:
            raise DiskError(f"the transactions' log has a record of kind {kind}: a newer version of Tidings wrote it")
        transactional_id = decode(TransactionLogKey, 0, key, _VERSION.size)[0].transactional_id
        if value is None:
            return transactional_id, None
        (version,) = _VERSION.unpack_from(value)
        said, _ = decode(TransactionLogValue, version, value, _VERSION.size)
        return transactional_id, _transaction(transactional_id, said)
    except (MalformedError, struct.error, ValueError) as error:
        raise DiskError(f"a record of the transaction coordinator cannot be read: {error}") from error


def _transaction(transactional_id: str, said: TransactionLogValue) -> Transaction:
    return Transaction(
        transactional_id=transactional_id,
        producer_id=said.producer_id,
        previous_producer_id=said.previous_producer_id,
        next_producer_id=said.next_producer_id,
        last_epoch=said.last_producer_epoch,
        epoch=said.producer_epoch,
        timeout_ms=said.transaction_timeout_ms,
        state=TransactionState(said.transaction_status),
        partitions=frozenset(
            (topic.topic, index) for topic in said.transaction_partitions or () for index in topic.partition_ids
        ),
        started_wall_ms=said.transaction_start_timestamp_ms,
        updated_wall_ms=said.transaction_last_update_timestamp_ms,
        version=said.client_transaction_version,
    )


def _by_topic(partitions: Iterable[TopicPartition]) -> list[PartitionsSchema]:
    topics: dict[str, PartitionsSchema] = {}
    for name, index in sorted(partitions):
        topics.setdefault(name, PartitionsSchema(topic=name)).partition_ids.append(index)
    return list(topics.values())
