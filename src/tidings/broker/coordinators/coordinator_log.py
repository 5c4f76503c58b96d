"""The log of a coordinator (`__consumer_offsets-0`, `__transaction_state-0`), and how it is kept short.

It grows with every decision, while the state it stands for hardly does. When it is large beside the state, the state is
written once more behind it, as records, in pieces between which others may append; once these are safe, the log begins
with them (`delete_before`). A crash at any moment leaves either the whole log, or all that is needed of it: what is
written again says what the coordinator knows at that moment, so it is never older than what stands before it. What
belongs to open transactions is not written again: the log begins no later than the first of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tidings.coordination.outcome import Producer, Record
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.wire.primitives import MalformedError
from tidings.wire.records import BatchHeader, batches, encode_batch, key_value_batch, records
from tidings.wire.records import Record as StoredRecord

READ_BYTES = 1 << 20
REWRITTEN_BYTES_MIN = 1 << 19
"""A log shorter than this is read in less than a tenth of a second, and left as it is."""
REWRITTEN_RATIO = 4
"""Times the size of the state; at this ratio rewriting adds a third to what is written."""


MARKER_BYTES = 78
"""What the marker of a transaction takes in any log."""
_MARKER = struct.Struct(">hh")
_COMMIT = 1


class Entry(NamedTuple):
    """A record; one of a transaction has the producer whose transaction it is."""

    key: bytes
    value: bytes | None
    producer: Producer | None


class End(NamedTuple):
    """A producer's transaction is over."""

    producer_id: int
    commit: bool


class Mark(NamedTuple):
    offset: int
    bytes_before: int


class CoordinatorLog:
    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self._bytes = 0  # from the log's beginning on
        self._state_bytes = 0  # what the state took when it was last written

    def read(self) -> Iterator[Entry | End]:
        """Everything there is. Raises DiskError if one cannot be read."""
        partition = self.partition
        offset = partition.log_start_offset
        try:
            while offset < partition.end_offset:
                data = partition.read(offset, READ_BYTES, up_to=partition.end_offset)
                if not data:
                    raise DiskError(f"{partition.path} ends before offset {offset}")
                for pos, header in batches(data):
                    for record in records(data, pos):
                        if record.offset >= offset and record.key is not None:
                            yield _entry(header, record.key, record.value)
                    offset = header.last_offset + 1
                    self._bytes += header.size_bytes
        except (MalformedError, struct.error) as error:
            raise DiskError(f"{partition.path} cannot be read at offset {offset}: {error}") from error

    def append(self, written: Sequence[Record], now_ms: int, producer: Producer | None = None) -> int:
        """Write the records, in `producer`'s transaction if there is one, as one batch, there whole or not at all.

        Returns its size. Raises ApiError, DiskError.
        """
        if producer is None:
            batch = key_value_batch(written, now_ms)
        else:
            batch = encode_batch(
                (StoredRecord(0, now_ms, key, value, ()) for key, value in written),
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                base_sequence=0,  # as Apache Kafka's coordinator has it; nobody counts
                is_transactional=True,
            )
        self.partition.append(batch, now_ms=now_ms, check_sequences=False)
        self._bytes += len(batch)
        return len(batch)

    def append_end(self, producer: Producer, now_ms: int, *, commit: bool) -> int:
        """Write that the producer's transaction is over. Raises ApiError, DiskError."""
        self.partition.append_marker(*producer, commit=commit, now_ms=now_ms)
        self._bytes += MARKER_BYTES
        return MARKER_BYTES

    @property
    def is_long(self) -> bool:
        """Whether it is time to write the state anew."""
        return self._bytes > max(REWRITTEN_BYTES_MIN, REWRITTEN_RATIO * self._state_bytes)

    def mark(self) -> Mark:
        """Where the log would begin if the state were written from here on."""
        return Mark(self.partition.end_offset, self._bytes)

    def needed_from(self, mark: Mark) -> int:
        """What is before is not needed, once the state is written from `mark` on."""
        return min([mark.offset, *(one.first_offset for one in self.partition.open_transactions())])

    def begins_at(self, mark: Mark, state_bytes: int) -> None:
        """What stood before `mark` is gone; from there on the state took `state_bytes`."""
        self._bytes -= mark.bytes_before
        self._state_bytes = state_bytes

    def put_off(self) -> None:
        """It could not be shortened: try again when it is twice as long."""
        self._state_bytes = 2 * self._bytes // REWRITTEN_RATIO


def _entry(header: BatchHeader, key: bytes, value: bytes | None) -> Entry | End:
    if header.is_control:
        _, kind = _MARKER.unpack_from(key)
        return End(header.producer_id, kind == _COMMIT)
    producer = Producer(header.producer_id, header.producer_epoch) if header.is_transactional else None
    return Entry(key, value, producer)
