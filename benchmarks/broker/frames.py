"""Requests as they go over the wire, made before the clock runs: what load.c sends."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from struct import pack
from time import time

from tidings.wire.codec import encode_bytes
from tidings.wire.compression import Compression
from tidings.wire.message import Message
from tidings.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidings.wire.records import Record, encode_batch

PRODUCE_VERSION = 9
FETCH_VERSION = 12
FETCH_WAIT_MS = 500
FETCH_BYTES_MAX = 50 << 20
PARTITION_BYTES_MAX = 1 << 20
"""As most clients ask for: librdkafka's and Java's defaults."""

TIMESTAMP_MS = round(time() * 1000)
"""All records carry the time at which the run began: were they old, retention would delete them."""

_MARK = 0x0123456789ABCDEF
_PAYLOADS = 512


@cache
def payloads(size_bytes: int) -> Sequence[bytes]:
    """Orders as JSON, cut to `size_bytes` each. lz4 makes half to a third of them, as it does of most such data."""
    chance = random.Random(size_bytes)
    return [_order(chance, size_bytes) for _ in range(max(16, min(_PAYLOADS, (4 << 20) // size_bytes)))]


def _order(chance: random.Random, size_bytes: int) -> bytes:
    items: list[dict[str, object]] = []
    order = {
        "order_id": f"{chance.getrandbits(64):016x}",
        "customer_id": f"c-{chance.randrange(10**7)}",
        "items": items,
    }
    encoded = json.dumps(order).encode()
    while len(encoded) < size_bytes:
        for _ in range(1 + (size_bytes - len(encoded)) // 120):
            sku, note = f"sku-{chance.randrange(10**6):06}", f"{chance.getrandbits(96):x}"
            items.append(
                {"sku": sku, "quantity": chance.randrange(9), "price": chance.randrange(10**5) / 100, "note": note}
            )
        encoded = json.dumps(order).encode()
    return encoded[:size_bytes]


def batch(size_bytes: int, count: int, *, lz4: bool = False, first: int = 0) -> bytes:
    """A batch of `count` records with values of `size_bytes`; another `first` gives other values."""
    values = payloads(size_bytes)
    records = (Record(0, TIMESTAMP_MS, None, values[(first + at) % len(values)], ()) for at in range(count))
    return bytes(encode_batch(records, compression=Compression.LZ4 if lz4 else Compression.NONE))


def produce(topic: str, partition: int, records: bytes) -> bytes:
    """A Produce frame that asks for all acknowledgements."""
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=records)])
    return _frame(ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data]), PRODUCE_VERSION)


def fetch(topic: str, offset: int, *, partition_bytes_max: int = PARTITION_BYTES_MAX) -> bytes:
    """A Fetch frame of partition 0, without a session, which waits for the first byte."""
    partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=partition_bytes_max)
    request = FetchRequest(
        max_wait_ms=FETCH_WAIT_MS,
        min_bytes=1,
        max_bytes=FETCH_BYTES_MAX,
        isolation_level=0,
        session_id=0,
        topics=[FetchTopic(topic=topic, partitions=[partition])],
        forgotten_topics_data=[],
        rack_id="",
    )
    return _frame(request, FETCH_VERSION)


def fetch_offset_at(topic: str) -> int:
    """Where in a frame of `fetch` the offset is."""
    return fetch(topic, _MARK).index(pack(">q", _MARK))


def write(path: Path, frames: Iterable[bytes]) -> Path:
    """The file that load.c reads."""
    with path.open("wb") as file:
        file.writelines(frames)
    return path


def _frame(request: Message, version: int) -> bytes:
    assert request.api_key is not None
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=0, client_id="load"
    )
    frame = encode_bytes(header, 2) + encode_bytes(request, version)
    return pack(">i", len(frame)) + frame
