"""Kafka's protocol over a plain socket, with nothing of a client library in between: for set-up, and for timings to
the millisecond."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from time import monotonic, sleep

from tidings.errors import UnavailableError
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.api_versions import ApiVersionsRequest
from tidings.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from tidings.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from tidings.wire.records import Record, encode_batch

Address = tuple[str, int]

API_VERSIONS_VERSION = 3
METADATA_VERSION = 9
PRODUCE_VERSION = 9
CREATE_TOPICS_VERSION = 7
LIST_OFFSETS_VERSION = 7
FLEXIBLE_REPLY_HEADER_BYTES = 5  # the correlation id, and no tagged fields
LATEST = -1
AGAIN_S = 0.002


def connected(address: Address, timeout_s: float) -> socket.socket:
    """Raises OSError."""
    connection = socket.create_connection(address, timeout=timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def write_first_record(address: Address, topic: str, timeout_s: float) -> None:
    """Connect as soon as anybody listens, create `topic` by asking for it, and return when a record is acknowledged.

    Raises TimeoutError.
    """
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        try:
            with connected(address, timeout_s) as connection:
                while monotonic() < deadline:
                    if _has_leader(connection, topic) and _is_acknowledged(connection, topic):
                        return
                    sleep(AGAIN_S)
        except OSError:
            sleep(AGAIN_S)
    raise TimeoutError(f"no record was acknowledged at {address[0]}:{address[1]} within {timeout_s:g} s")


def greet(connection: socket.socket) -> None:
    """What every client sends first."""
    request = ApiVersionsRequest(client_software_name="benchmark", client_software_version="1")
    _send(connection, request, API_VERSIONS_VERSION)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    _receive(connection, size)


def create_topics(address: Address, topics: Mapping[str, int], timeout_s: float = 120) -> None:
    """Make topics, so many partitions each, and return when all of them can be asked.

    Raises UnavailableError if one is refused or is not there in time.
    """
    with connected(address, timeout_s) as connection:
        wanted = [
            CreatableTopic(name=name, num_partitions=count, replication_factor=1, assignments=[], configs=[])
            for name, count in topics.items()
        ]
        reply = ask(connection, CreateTopicsRequest(topics=wanted, validate_only=False), CREATE_TOPICS_VERSION)
        assert isinstance(reply, CreateTopicsResponse)
        for made in reply.topics:
            if made.error_code != ErrorCode.NONE:
                raise UnavailableError(f"{made.name} was not created: {ErrorCode(made.error_code).name}")
        deadline = monotonic() + timeout_s
        while not _can_be_asked(connection, topics):
            if monotonic() > deadline:
                raise UnavailableError(f"{len(topics)} topics are not there after {timeout_s:g} s")
            sleep(0.02)


def _can_be_asked(connection: socket.socket, topics: Mapping[str, int]) -> bool:
    """Whether the broker knows itself as leader of all partitions: Kafka learns it some time after creating them."""
    asked = [
        ListOffsetsTopic(
            name=name,
            partitions=[ListOffsetsPartition(partition_index=index, timestamp=LATEST) for index in range(count)],
        )
        for name, count in topics.items()
    ]
    reply = ask(connection, ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=asked), LIST_OFFSETS_VERSION)
    assert isinstance(reply, ListOffsetsResponse)
    return all(found.error_code == ErrorCode.NONE for topic in reply.topics for found in topic.partitions)


def _has_leader(connection: socket.socket, topic: str) -> bool:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=True)
    reply = ask(connection, request, METADATA_VERSION)
    assert isinstance(reply, MetadataResponse)
    return all(found.error_code == ErrorCode.NONE and found.partitions for found in reply.topics)


def _is_acknowledged(connection: socket.socket, topic: str) -> bool:
    batch = encode_batch([Record(0, 0, b"key", b"x" * 100, ())])
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])
    reply = ask(connection, ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[data]), PRODUCE_VERSION)
    assert isinstance(reply, ProduceResponse)
    return reply.responses[0].partition_responses[0].error_code == ErrorCode.NONE


def ask(connection: socket.socket, request: Message, version: int) -> Message:
    """The reply to `request`, in a version with flexible headers. Raises OSError."""
    _send(connection, request, version)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    reply, _ = decode(request.response, version, _receive(connection, size), FLEXIBLE_REPLY_HEADER_BYTES)
    return reply


def _send(connection: socket.socket, request: Message, version: int) -> None:
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="benchmark"
    )
    frame = encode_bytes(header, 2) + encode_bytes(request, version)
    connection.sendall(struct.pack(">i", len(frame)) + frame)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the broker hung up")
        data += piece
    return bytes(data)
