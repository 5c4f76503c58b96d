"""What each idempotent producer wrote last (KIP-98): tells a repeated batch from a new one, and a gap from both.

A producer numbers its records. It keeps up to five batches under way, so the last five are remembered, and a repeated
one of them is answered with the offsets it got the first time.

A producer may have one transaction under way (see `transactions`). Its end may bring a new epoch (KIP-890): what the
producer sent before, and comes late, is then refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct, error
from typing import NamedTuple

from tidings.log.aborted import IndexCheck
from tidings.log.transactions import Marker, Transactions
from tidings.wire.checksum import crc32c
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import NO_SEQUENCE, NO_TIMESTAMP, BatchHeader

BATCHES_KEPT = 5
_SEQUENCE_MAX = 0x7FFFFFFF

_SNAPSHOT_VERSION = 1
_PREFIX = Struct(">hI")  # version, CRC-32C of what follows
_COUNT = Struct(">i")
# Producer id, epoch, last sequence, last offset, offset delta, timestamp, coordinator's epoch, the transaction's first.
_ENTRY = Struct(">qhiqiqiq")
_NO_COORDINATOR_EPOCH = -1
NO_TRANSACTION = -1
_EARLIER_COUNT = Struct(">b")
_EARLIER = Struct(">iqiq")  # last sequence, last offset, offset delta, timestamp
_CHECK = Struct(">qiI")  # a segment with aborted transactions: base offset, how many, CRC-32C of the entries


class ProducerBatch(NamedTuple):
    """A batch that was appended. `timestamp` is its greatest, in milliseconds."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & _SEQUENCE_MAX

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta


_NO_BATCH = ProducerBatch(NO_SEQUENCE, -1, 0, NO_TIMESTAMP)


class Producer:
    """One producer. `batches` are those of its current epoch, oldest first; `first_offset` is that of the transaction
    it has under way, and `coordinator_epoch` is of the last that ended. -1: none."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "first_offset", "seen_ms")

    def __init__(self, epoch: int, batches: list[ProducerBatch], seen_ms: int) -> None:
        self.epoch = epoch
        self.batches = batches
        self.seen_ms = seen_ms
        self.coordinator_epoch = _NO_COORDINATOR_EPOCH
        self.first_offset = NO_TRANSACTION


class ProducerState(NamedTuple):
    """What others may know of a producer; -1 where there is nothing to know. `first_offset` is that of the
    transaction it has under way."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int
    first_offset: int


class Producers:
    """All producers of one partition. `index_checks` are the aborted transactions that a snapshot knew of."""

    __slots__ = ("_by_id", "index_checks", "transactions")

    def __init__(self) -> None:
        self._by_id: dict[int, Producer] = {}
        self.transactions = Transactions()
        self.index_checks: list[IndexCheck] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def items(self) -> Iterator[tuple[int, Producer]]:
        return iter(self._by_id.items())

    def last_offsets(self) -> dict[int, tuple[int, int]]:
        """Of each producer, its epoch, and where the last record went that it sent in it; -1 if it sent none."""
        return {
            producer_id: (producer.epoch, producer.batches[-1].last_offset if producer.batches else -1)
            for producer_id, producer in self._by_id.items()
        }

    def states(self) -> list[ProducerState]:
        return [
            ProducerState(
                producer_id, producer.epoch, producer.batches[-1].last_sequence if producer.batches else NO_SEQUENCE,
                producer.seen_ms, producer.coordinator_epoch, producer.first_offset,
            )
            for producer_id, producer in self._by_id.items()
        ]  # fmt: skip

    def has_open_transaction(self, producer_id: int) -> bool:
        producer = self._by_id.get(producer_id)
        return producer is not None and producer.first_offset != NO_TRANSACTION

    def check(self, header: BatchHeader, check_sequence: bool = True) -> ProducerBatch | None:
        """None if the batch is its producer's next; what was appended if it is a repetition.

        Raises ApiError: INVALID_PRODUCER_EPOCH from a producer that was replaced, OUT_OF_ORDER_SEQUENCE_NUMBER where
        batches are missing before this one, INVALID_TXN_STATE for one outside the transaction that is under way. A
        producer we do not know (any more) may begin with any number.
        """
        producer = self._by_id.get(header.producer_id)
        if producer is None:
            return None
        first, epoch = header.base_sequence, header.producer_epoch
        if epoch < producer.epoch:
            raise _fenced(header.producer_id, epoch, producer.epoch)
        batches = producer.batches if epoch == producer.epoch else []
        expected = (batches[-1].last_sequence + 1) & _SEQUENCE_MAX if batches else 0
        if first != expected and check_sequence:
            for batch in batches:
                if batch.first_sequence == first and batch.last_sequence == header.last_sequence:
                    return batch
            raise ApiError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {header.producer_id} sent sequence {first} where {expected} was due",
            )
        if producer.first_offset != NO_TRANSACTION and not header.is_transactional:
            raise ApiError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer {header.producer_id} has a transaction under way, and this batch is not of it",
            )
        return None

    def check_marker(self, marker: Marker) -> None:
        """Raises ApiError: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED for a marker that came too late."""
        producer = self._by_id.get(marker.producer_id)
        if producer is None:
            return
        if marker.producer_epoch < producer.epoch:
            raise _fenced(marker.producer_id, marker.producer_epoch, producer.epoch)
        if marker.coordinator_epoch < producer.coordinator_epoch:
            raise ApiError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"a coordinator of epoch {marker.coordinator_epoch}; {producer.coordinator_epoch} has begun",
            )

    def appended(self, header: BatchHeader, last_offset: int, max_timestamp: int, now_ms: int) -> None:
        """Remember a batch and where it went. Those without sequence numbers are passed over."""
        if header.producer_id < 0 or header.base_sequence == NO_SEQUENCE:
            return
        batch = ProducerBatch(header.last_sequence, last_offset, header.last_offset_delta, max_timestamp)
        producer = self._seen(header.producer_id, header.producer_epoch, now_ms)
        producer.batches.append(batch)
        if len(producer.batches) > BATCHES_KEPT:
            del producer.batches[0]
        if header.is_transactional and producer.first_offset == NO_TRANSACTION:
            producer.first_offset = batch.first_offset
            self.transactions.began(batch.first_offset)

    def ended(self, marker: Marker, offset: int, now_ms: int) -> None:
        """A marker went to `offset`. There need not be a transaction that it ends."""
        producer = self._seen(marker.producer_id, marker.producer_epoch, now_ms)
        producer.coordinator_epoch = marker.coordinator_epoch
        if producer.first_offset != NO_TRANSACTION:
            self.transactions.ended(marker.producer_id, producer.first_offset, offset, marker.commit)
            producer.first_offset = NO_TRANSACTION

    def _seen(self, producer_id: int, epoch: int, now_ms: int) -> Producer:
        producer = self._by_id.get(producer_id)
        if producer is None:
            producer = self._by_id[producer_id] = Producer(epoch, [], now_ms)
        elif producer.epoch != epoch:
            producer.epoch = epoch
            producer.batches = []  # sequence numbers begin anew with an epoch
        producer.seen_ms = now_ms
        return producer

    def expire(self, before_ms: int) -> None:
        """Forget who has not written since, and has no transaction under way."""
        for producer_id, producer in list(self._by_id.items()):
            if producer.seen_ms < before_ms and producer.first_offset == NO_TRANSACTION:
                del self._by_id[producer_id]

    def encode(self, segments: Sequence[int] = ()) -> bytes:
        """As Kafka's `.snapshot` files, version 1. Those hold the last batch of each producer. The four before it, and
        how to check each `.txnindex`, follow behind, where Kafka's own reader does not look.

        `segments` are the base offsets of all there are.
        """
        entries, earlier = [], []
        for producer_id, producer in self._by_id.items():
            *before, last = producer.batches or [_NO_BATCH]
            entries.append(
                _ENTRY.pack(
                    producer_id, producer.epoch, last.last_sequence, last.last_offset, last.offset_delta,
                    producer.seen_ms, producer.coordinator_epoch, producer.first_offset,
                )
            )  # fmt: skip
            earlier.append(_EARLIER_COUNT.pack(len(before)))
            earlier += [_EARLIER.pack(*batch) for batch in before]
        checks = [_CHECK.pack(*check) for check in self.transactions.aborted.checks(segments)] if segments else []
        body = b"".join([_COUNT.pack(len(entries)), *entries, *earlier, *checks])
        return _PREFIX.pack(_SNAPSHOT_VERSION, crc32c(body)) + body

    @classmethod
    def decode(cls, data: bytes) -> Producers | None:
        """None if it is not what `encode`, or Kafka, wrote."""
        producers = cls()
        try:
            version, crc = _PREFIX.unpack_from(data)
            if version != _SNAPSHOT_VERSION or crc32c(data[_PREFIX.size :]) != crc:
                return None
            pos = _PREFIX.size + _COUNT.size
            for _ in range(_COUNT.unpack_from(data, _PREFIX.size)[0]):
                producers._decode_entry(*_ENTRY.unpack_from(data, pos))
                pos += _ENTRY.size
            if pos < len(data):
                producers._decode_rest(data, pos)
        except error:
            return None
        for first_offset in sorted(producer.first_offset for producer in producers._by_id.values()):
            if first_offset != NO_TRANSACTION:
                producers.transactions.began(first_offset)
        return producers

    def _decode_entry(
        self,
        producer_id: int,
        epoch: int,
        sequence: int,
        offset: int,
        delta: int,
        seen_ms: int,
        coordinator_epoch: int,
        first_offset: int,
    ) -> None:
        batches = [ProducerBatch(sequence, offset, delta, seen_ms)] if sequence >= 0 else []
        producer = self._by_id[producer_id] = Producer(epoch, batches, seen_ms)
        producer.coordinator_epoch = coordinator_epoch
        producer.first_offset = first_offset

    def _decode_rest(self, data: bytes, pos: int) -> None:
        for producer in self._by_id.values():
            (count,) = _EARLIER_COUNT.unpack_from(data, pos)
            end = pos + _EARLIER_COUNT.size + count * _EARLIER.size
            producer.batches[:0] = map(ProducerBatch._make, _EARLIER.iter_unpack(data[pos + _EARLIER_COUNT.size : end]))
            pos = end
        self.index_checks = [IndexCheck(*check) for check in _CHECK.iter_unpack(data[pos:])]


def _fenced(producer_id: int, epoch: int, known_epoch: int) -> ApiError:
    return ApiError(
        ErrorCode.INVALID_PRODUCER_EPOCH,
        f"producer {producer_id} writes in epoch {epoch}, and {known_epoch} has begun",
    )
