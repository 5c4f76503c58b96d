"""What the transaction coordinator writes to `__transaction_state`: keys and values in Kafka's own format."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, INT64, STRING, Array, Message, Struct, field


class TransactionLogKey(Message, versions=(0, 0)):
    transactional_id: str = field(STRING)


class PartitionsSchema(Struct):
    topic: str = field(STRING)
    partition_ids: list[int] = field(Array(INT32))


class TransactionLogValue(Message, versions=(0, 1), flexible_since=1):
    producer_id: int = field(INT64)
    previous_producer_id: int = field(INT64, since=1, tag=0, default=-1)
    next_producer_id: int = field(INT64, since=1, tag=1, default=-1)
    producer_epoch: int = field(INT16)
    next_producer_epoch: int = field(INT16, since=1, tag=3, default=-1)
    transaction_timeout_ms: int = field(INT32)
    transaction_status: int = field(INT8)
    transaction_partitions: list[PartitionsSchema] | None = field(Array(PartitionsSchema), nullable_since=0)
    transaction_last_update_timestamp_ms: int = field(INT64)
    transaction_start_timestamp_ms: int = field(INT64)
    client_transaction_version: int = field(INT16, since=1, tag=2)
    last_producer_epoch: int = field(INT16, since=1, tag=10_000, default=-1)
    """Ours: Kafka passes over tags that it does not know. It keeps this in memory only."""
