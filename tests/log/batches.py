"""What these tests append, and how they read it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tidings.log.partition import Partition
from tidings.wire.records import Record, batches, crc_matches, encode_batch, records

NOW_MS = 1_700_000_000_000


@contextmanager
def naming(case: str) -> Iterator[None]:
    """Of many cases in one test, name the one that fails."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in this case: {case}")
        raise


def batch(
    *values: bytes,
    timestamp: int = NOW_MS,
    producer_id: int = -1,
    producer_epoch: int = -1,
    sequence: int = -1,
) -> bytearray:
    """One batch with a record for each value; their timestamps are one millisecond apart."""
    return encode_batch(
        [Record(0, timestamp + index, None, value, ()) for index, value in enumerate(values)],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=sequence,
    )


def chunks(
    partition: Partition, bytes_max: int = 1 << 20, up_to: int | None = None, offset: int | None = None
) -> Iterator[bytes]:
    """What one fetch after the other returns."""
    if offset is None:
        offset = partition.log_start_offset
    while data := partition.read(offset, bytes_max, up_to=up_to):
        yield data
        found = list(batches(data))
        end, last = found[-1]
        assert end + last.size_bytes == len(data), "a read ends with a whole batch"
        assert found[0][1].last_offset >= offset
        offset = last.last_offset + 1


def contents(partition: Partition, bytes_max: int = 1 << 20, up_to: int | None = None) -> list[tuple[int, bytes]]:
    """Offset and value of every record, checksums checked."""
    found = []
    for data in chunks(partition, bytes_max, up_to):
        for position, header in batches(data):
            assert crc_matches(data, position, header)
            found += [(record.offset, record.value or b"") for record in records(data, position)]
    return found
