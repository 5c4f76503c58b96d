"""What is left of a batch is what it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.wire.compression import Compression
from tidings.wire.primitives import MalformedError
from tidings.wire.records import (
    BatchHeader,
    Record,
    crc_matches,
    encode_batch,
    read_header,
    records,
    restamp_append_time,
)
from tidings.wire.thinning import emptied, inflated, recompressed, slots, thinned

NOW_MS = 1_700_000_000_000
sizes = st.integers(0, 70) | st.sampled_from([127, 128, 8191, 8192, 20_000])
data = st.none() | sizes.map(lambda size: b"x" * size)
headers = st.lists(st.tuples(st.text(max_size=5), data), max_size=2)
entries = st.lists(st.builds(Record, st.just(0), st.integers(NOW_MS - 10**6, NOW_MS), data, data, headers), min_size=1)
compressions = st.sampled_from(Compression)


def _batch(found: list[Record], compression: Compression, **options: Any) -> tuple[bytearray, BatchHeader, bytes]:
    batch = encode_batch(found, base_offset=100, compression=compression, leader_epoch=3, **options)
    header = read_header(batch)
    return batch, header, inflated(batch, header)


@given(entries, compressions)
def test_slots_tell_what_records_tell(found: list[Record], compression: Compression) -> None:
    batch, header, body = _batch(found, compression)
    told = [(header.base_offset + slot.offset_delta, slot.key, slot.has_value) for slot in slots(body, len(found))]
    assert told == [(record.offset, record.key, record.value is not None) for record in records(batch)]


@given(entries, compressions, st.data(), st.none() | st.integers(NOW_MS, NOW_MS + 10**9))
def test_what_stays_is_as_it_was(
    found: list[Record], compression: Compression, choice: st.DataObject, horizon_ms: int | None
) -> None:
    batch, header, body = _batch(found, compression, producer_id=5, producer_epoch=1, base_sequence=7)
    count = len(found)
    chosen = sorted(choice.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    all_slots = slots(body, count)
    left = thinned(header, body, [all_slots[index] for index in chosen], horizon_ms)
    thin = read_header(left)
    before = list(records(batch))
    assert list(records(left)) == [before[index] for index in chosen]
    assert crc_matches(left, 0, thin)
    assert thin.size_bytes == len(left)
    assert thin.delete_horizon_ms == horizon_ms
    assert thin.max_timestamp == max(before[index].timestamp for index in chosen)
    for name in ("base_offset", "last_offset", "leader_epoch", "producer_id", "last_sequence", "compression"):
        assert getattr(thin, name) == getattr(header, name)


def test_the_time_that_the_broker_told_stays() -> None:
    batch, header, _ = _batch([Record(0, 5, b"k", b"v", ()), Record(0, 6, b"k", None, ())], Compression.NONE)
    restamp_append_time(batch, 0, header, NOW_MS)
    header = read_header(batch)
    left = thinned(header, inflated(batch, header), slots(inflated(batch, header), 2)[1:], NOW_MS + 50)
    assert [(r.offset, r.timestamp, r.value) for r in records(left)] == [(101, NOW_MS, None)]


def test_an_empty_batch_says_where_it_was_and_what_its_producer_sent() -> None:
    found = [Record(0, NOW_MS, b"k", b"v", ())] * 3
    _, header, _ = _batch(found, Compression.LZ4, producer_id=5, producer_epoch=1, base_sequence=7)
    left = emptied(header)
    empty = read_header(left)
    assert list(records(left)) == []
    assert (empty.base_offset, empty.last_offset, empty.record_count) == (100, 102, 0)
    assert (empty.producer_id, empty.producer_epoch, empty.last_sequence) == (5, 1, 9)
    assert crc_matches(left, 0, empty)


@given(entries, compressions, compressions)
def test_another_compression_changes_nothing_else(found: list[Record], one: Compression, other: Compression) -> None:
    batch, header, _ = _batch(found, one)
    changed = recompressed(batch, header, other)
    assert list(records(changed)) == list(records(batch))
    assert read_header(changed).compression is other
    assert crc_matches(changed, 0, read_header(changed))


@given(st.binary(max_size=60), st.integers(0, 5))
def test_nonsense_is_refused(body: bytes, count: int) -> None:
    with suppress(MalformedError):
        assert len(slots(body, count)) == count


def test_records_must_fill_the_batch() -> None:
    _, _, body = _batch([Record(0, 0, b"k", b"v", ())] * 2, Compression.NONE)
    for cut in (body[:-1], body + b"\0"):
        with pytest.raises(MalformedError):
            slots(cut, 2)
