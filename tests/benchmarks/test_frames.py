"""Frames that are made before the clock runs are what a client would send."""

from __future__ import annotations

from struct import unpack_from

import pytest
from benchmarks.broker import frames

from tidings.wire.codec import decode
from tidings.wire.messages.fetch import FetchRequest
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.messages.produce import ProduceRequest
from tidings.wire.records import records


@pytest.mark.parametrize("lz4", [False, True])
@pytest.mark.parametrize("size_bytes", [1, 100, 1024, 10_240])
def test_a_batch_has_as_many_records_of_the_size_as_were_asked_for(size_bytes: int, lz4: bool) -> None:
    batch = frames.batch(size_bytes, 7, lz4=lz4, first=500)
    assert [len(record.value or b"") for record in records(batch)] == [size_bytes] * 7


def test_values_shrink_as_orders_do_and_not_to_nothing() -> None:
    plain, packed = (len(frames.batch(1024, 64, lz4=lz4)) for lz4 in (False, True))
    assert 0.25 < packed / plain < 0.75


def test_a_produce_frame_asks_for_all_acknowledgements() -> None:
    frame = frames.produce("orders", 3, frames.batch(100, 2))
    assert unpack_from(">i", frame) == (len(frame) - 4,)
    header, at = decode(RequestHeader, 2, frame, 4)
    request, end = decode(ProduceRequest, frames.PRODUCE_VERSION, frame, at)
    assert (header.request_api_key, header.request_api_version, header.correlation_id) == (0, 9, 0)
    assert request.acks == -1
    assert request.topic_data[0].partition_data[0].index == 3
    assert end == len(frame)


def test_the_offset_of_a_fetch_frame_is_where_it_is_said_to_be() -> None:
    frame = frames.fetch("orders", 4711)
    _, at = decode(RequestHeader, 2, frame, 4)
    request, _ = decode(FetchRequest, frames.FETCH_VERSION, frame, at)
    assert request.topics[0].partitions[0].fetch_offset == 4711
    assert unpack_from(">q", frame, frames.fetch_offset_at("orders")) == (4711,)
