"""How much of the disk each partition takes: asked in Kafka's protocol, as librdkafka has no such question."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from struct import Struct

from tidings.cli.cluster import Partition
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
)
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.primitives import MalformedError

VERSION = 1
"""The oldest that Kafka 4 still answers: what later ones add we do not need."""

TIMEOUT_S = 5
_ANSWER_BYTES_MAX = 64 << 20
_SIZE = Struct(">i")
_CORRELATION_BYTES = 4


def sizes(servers: Iterable[str], partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Bytes on disk by partition, asked of each of `servers` (HOST:PORT); of several copies the largest.

    A server that does not answer, or may not, leaves its partitions out.
    """
    topics: defaultdict[str, list[int]] = defaultdict(list)
    for stream, partition in partitions:
        topics[stream].append(partition)
    if not topics:
        return {}
    request = DescribeLogDirsRequest(topics=[DescribableLogDirTopic(topic=t, partitions=p) for t, p in topics.items()])
    found: dict[Partition, int] = {}
    for server in servers:
        try:
            for at, size_bytes in _sizes_at(server, request):
                found[at] = max(size_bytes, found.get(at, 0))
        except (OSError, MalformedError):
            continue
    return found


def _sizes_at(server: str, request: DescribeLogDirsRequest) -> Iterator[tuple[Partition, int]]:
    header = RequestHeader(
        request_api_key=DescribeLogDirsRequest.api_key,
        request_api_version=VERSION,
        correlation_id=1,
        client_id="tidings",
    )
    frame = encode_bytes(header, 1) + encode_bytes(request, VERSION)
    host, _, port = server.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as connection:
        connection.sendall(_SIZE.pack(len(frame)) + frame)
        (size,) = _SIZE.unpack(_receive(connection, _SIZE.size))
        if not _CORRELATION_BYTES <= size <= _ANSWER_BYTES_MAX:
            raise MalformedError(f"an answer of {size} bytes")
        answer, _ = decode(DescribeLogDirsResponse, VERSION, _receive(connection, size), _CORRELATION_BYTES)
    for folder in answer.results:
        for topic in folder.topics:
            for partition in topic.partitions:
                if not partition.is_future_key:
                    yield (topic.name, partition.partition_index), partition.partition_size


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the broker closed the connection")
        data += piece
    return bytes(data)
