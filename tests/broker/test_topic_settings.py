"""What a topic's settings do to what is produced."""

from __future__ import annotations

from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create
from tests.broker.data import batch, fetch, produce, values

from tidings.broker.server import Broker
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ErrorCode
from tidings.wire.records import Record, encode_batch, pack_batch, read_header

HOUR_MS = 3_600_000


@pytest.mark.parametrize("sent", Compression)
@pytest.mark.parametrize("asked", ["uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"])
async def test_a_topic_has_the_compression_it_asks_for(
    live: Broker, client: Client, asked: str, sent: Compression
) -> None:
    await create(live, "packed", compression_type=asked)
    data = batch(b"a" * 100, b"b" * 100, compression=sent, producer_id=3, producer_epoch=0, base_sequence=0)
    for _ in range(2):  # a repetition is recognised though it was stored otherwise
        reply = await produce(client, data, topic="packed")
        assert (reply.error_code, reply.base_offset) == (ErrorCode.NONE, 0)
    stored = (await fetch(client, ("packed", 0, 0)))["packed", 0]
    assert values(stored) == [b"a" * 100, b"b" * 100]
    kept = {"producer": sent, "uncompressed": Compression.NONE}
    assert read_header(stored.records or b"").compression is kept.get(asked, getattr(Compression, asked.upper(), sent))


async def test_the_largest_batch_counts_as_it_is_stored(live: Broker, client: Client) -> None:
    await create(live, "packed", compression_type="uncompressed", max_message_bytes="1000")
    data = batch(b"a" * 2000, compression=Compression.ZSTD)
    assert len(data) < 1000
    assert (await produce(client, data, topic="packed")).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert (await produce(client, batch(b"a" * 1000), topic="packed")).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert (await produce(client, batch(b"a" * 900), topic="packed")).error_code == ErrorCode.NONE


async def test_what_cannot_be_inflated_cannot_be_recompressed(live: Broker, client: Client) -> None:
    await create(live, "packed", compression_type="gzip")
    await create(live, "plain")
    data = encode_batch([Record(0, -1, None, b"v", ())], compression=Compression.ZSTD)
    data[61:] = b"nonsense" * 2
    damaged = bytes(pack_batch(read_header(data), data[61:]))
    assert (await produce(client, damaged, topic="packed")).error_code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize(
    ("timestamps", "settings", "code"),
    [
        ([0, -HOUR_MS], {}, ErrorCode.NONE),
        ([-2 * HOUR_MS, 0], {"message_timestamp_before_max_ms": str(HOUR_MS)}, ErrorCode.INVALID_TIMESTAMP),
        ([0, -2 * HOUR_MS], {"message_timestamp_before_max_ms": str(HOUR_MS)}, ErrorCode.INVALID_TIMESTAMP),
        ([0, -HOUR_MS // 2], {"message_timestamp_before_max_ms": str(HOUR_MS)}, ErrorCode.NONE),
        ([0, 2 * HOUR_MS], {}, ErrorCode.INVALID_TIMESTAMP),
        ([0, 2 * HOUR_MS], {"message_timestamp_after_max_ms": str(3 * HOUR_MS)}, ErrorCode.NONE),
        ([0, 9 * HOUR_MS], {"message_timestamp_type": "LogAppendTime"}, ErrorCode.NONE),
    ],
)
async def test_timestamps_must_be_near_enough(
    live: Broker, client: Client, timestamps: list[int], settings: dict[str, Any], code: ErrorCode
) -> None:
    await create(live, "clocked", **settings)
    now_ms = live.clock.now_ms()
    data = bytes(encode_batch([Record(0, now_ms + shift, None, b"v", ()) for shift in timestamps]))
    assert (await produce(client, data, topic="clocked")).error_code == code


async def test_a_segment_that_is_old_enough_is_closed(live: Broker, client: Client) -> None:
    await create(live, "short", segment_ms="1")
    await produce(client, batch(b"a"), topic="short")
    partition = live.catalog.partition("short", 0)
    while len(partition._segments) < 2:
        await live.housekeeping.retain()
    await produce(client, batch(b"b"), topic="short")
    assert values((await fetch(client, ("short", 0, 0)))["short", 0]) == [b"a"]
    assert values((await fetch(client, ("short", 0, 1)))["short", 0]) == [b"b"]
