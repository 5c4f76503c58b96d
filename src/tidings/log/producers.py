"""What each idempotent producer wrote last (KIP-98): tells a repeated batch from a new one, and a gap from both.

A producer numbers its records. It keeps up to five batches under way, so the last five are remembered, and a repeated
one of them is answered with the offsets it got the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

from tidings.wire.checksum import crc32c
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.records import NO_SEQUENCE, BatchHeader

BATCHES_KEPT = 5
_SEQUENCE_MAX = 0x7FFFFFFF

_SNAPSHOT_VERSION = 1
_PREFIX = Struct(">hI")  # version, CRC-32C of what follows
_COUNT = Struct(">i")
_ENTRY = Struct(">qhiqiqiq")  # producer id, epoch, last sequence, last offset, offset delta, timestamp; transactions
_NO_COORDINATOR_EPOCH = -1
_NO_TRANSACTION = -1
_EARLIER_COUNT = Struct(">b")
_EARLIER = Struct(">iqiq")  # last sequence, last offset, offset delta, timestamp


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


class Producer:
    """One producer. `batches` are those of its current epoch, oldest first."""

    __slots__ = ("batches", "epoch", "seen_ms")

    def __init__(self, epoch: int, batches: list[ProducerBatch], seen_ms: int) -> None:
        self.epoch = epoch
        self.batches = batches
        self.seen_ms = seen_ms


class Producers:
    """All producers of one partition."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[int, Producer] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def items(self) -> Iterator[tuple[int, Producer]]:
        return iter(self._by_id.items())

    def last_offsets(self) -> dict[int, int]:
        """Of each producer, where the last record went that it sent."""
        return {
            producer_id: producer.batches[-1].last_offset
            for producer_id, producer in self._by_id.items()
            if producer.batches
        }

    def check(self, header: BatchHeader) -> ProducerBatch | None:
        """None if the batch is its producer's next; what was appended if it is a repetition.

        Raises ApiError: INVALID_PRODUCER_EPOCH from a producer that was replaced, OUT_OF_ORDER_SEQUENCE_NUMBER where
        batches are missing before this one. A producer we do not know (any more) may begin with any number.
        """
        producer = self._by_id.get(header.producer_id)
        if producer is None:
            return None
        first, epoch = header.base_sequence, header.producer_epoch
        if epoch != producer.epoch:
            if epoch < producer.epoch:
                raise ApiError(
                    ErrorCode.INVALID_PRODUCER_EPOCH,
                    f"producer {header.producer_id} writes in epoch {epoch}, and {producer.epoch} has begun",
                )
            expected = 0
        else:
            for batch in producer.batches:
                if batch.first_sequence == first and batch.last_sequence == header.last_sequence:
                    return batch
            expected = (producer.batches[-1].last_sequence + 1) & _SEQUENCE_MAX if producer.batches else first
        if first != expected:
            raise ApiError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {header.producer_id} sent sequence {first} where {expected} was due",
            )
        return None

    def appended(self, header: BatchHeader, last_offset: int, max_timestamp: int, now_ms: int) -> None:
        """Remember a batch and where it went. Those without sequence numbers are passed over."""
        if header.producer_id < 0 or header.base_sequence == NO_SEQUENCE:
            return
        batch = ProducerBatch(header.last_sequence, last_offset, header.last_offset_delta, max_timestamp)
        producer = self._by_id.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            self._by_id[header.producer_id] = Producer(header.producer_epoch, [batch], now_ms)
            return
        producer.seen_ms = now_ms
        producer.batches.append(batch)
        if len(producer.batches) > BATCHES_KEPT:
            del producer.batches[0]

    def expire(self, before_ms: int) -> None:
        """Forget who has not written since."""
        for producer_id in [i for i, producer in self._by_id.items() if producer.seen_ms < before_ms]:
            del self._by_id[producer_id]

    def encode(self) -> bytes:
        """As Kafka's `.snapshot` files, version 1. Those hold the last batch of each producer; the four before it
        follow behind, where Kafka's own reader does not look."""
        entries, earlier = [], []
        for producer_id, producer in self._by_id.items():
            *before, last = producer.batches
            entries.append(
                _ENTRY.pack(
                    producer_id, producer.epoch, last.last_sequence, last.last_offset, last.offset_delta,
                    producer.seen_ms, _NO_COORDINATOR_EPOCH, _NO_TRANSACTION,
                )
            )  # fmt: skip
            earlier.append(_EARLIER_COUNT.pack(len(before)))
            earlier += [_EARLIER.pack(*batch) for batch in before]
        body = b"".join([_COUNT.pack(len(entries)), *entries, *earlier])
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
                producer_id, epoch, sequence, offset, delta, seen_ms, _, _ = _ENTRY.unpack_from(data, pos)
                batch = ProducerBatch(sequence, offset, delta, seen_ms)
                producers._by_id[producer_id] = Producer(epoch, [batch] if batch.last_sequence >= 0 else [], seen_ms)
                pos += _ENTRY.size
            if pos < len(data):
                producers._decode_earlier(data, pos)
        except error:
            return None
        return producers

    def _decode_earlier(self, data: bytes, pos: int) -> None:
        for producer in self._by_id.values():
            (count,) = _EARLIER_COUNT.unpack_from(data, pos)
            end = pos + _EARLIER_COUNT.size + count * _EARLIER.size
            producer.batches[:0] = map(ProducerBatch._make, _EARLIER.iter_unpack(data[pos + _EARLIER_COUNT.size : end]))
            pos = end
