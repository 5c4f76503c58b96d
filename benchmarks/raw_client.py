"""One record over a plain socket, with nothing of a client library in between: for timings to the millisecond."""

from __future__ import annotations

import socket
import struct
from time import monotonic, sleep

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from tidings.wire.records import Record, encode_batch

METADATA_VERSION = 9
PRODUCE_VERSION = 9
FLEXIBLE_REPLY_HEADER_BYTES = 5  # the correlation id, and no tagged fields
AGAIN_S = 0.002


def write_first_record(address: tuple[str, int], topic: str, timeout_s: float) -> None:
    """Connect as soon as anybody listens, create `topic` by asking for it, and return when a record is acknowledged.

    Raises TimeoutError.
    """
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        try:
            with socket.create_connection(address, timeout=timeout_s) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while monotonic() < deadline:
                    if _has_leader(connection, topic) and _is_acknowledged(connection, topic):
                        return
                    sleep(AGAIN_S)
        except OSError:
            sleep(AGAIN_S)
    raise TimeoutError(f"no record was acknowledged at {address[0]}:{address[1]} within {timeout_s:g} s")


def _has_leader(connection: socket.socket, topic: str) -> bool:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=True)
    reply = _ask(connection, request, METADATA_VERSION)
    assert isinstance(reply, MetadataResponse)
    return all(found.error_code == ErrorCode.NONE and found.partitions for found in reply.topics)


def _is_acknowledged(connection: socket.socket, topic: str) -> bool:
    batch = encode_batch([Record(0, 0, b"key", b"x" * 100, ())])
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])
    reply = _ask(connection, ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[data]), PRODUCE_VERSION)
    assert isinstance(reply, ProduceResponse)
    return reply.responses[0].partition_responses[0].error_code == ErrorCode.NONE


def _ask(connection: socket.socket, request: Message, version: int) -> Message:
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="benchmark"
    )
    frame = encode_bytes(header, 2) + encode_bytes(request, version)
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    reply, _ = decode(request.response, version, _receive(connection, size), FLEXIBLE_REPLY_HEADER_BYTES)
    return reply


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the broker hung up")
        data += piece
    return data
