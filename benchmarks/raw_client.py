"""The least client that can have one record acknowledged: a blocking socket and our own codec.

It measures the server and next to nothing else: a real client adds its own start, its retries and its timers.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import TypeVar

from tidings.errors import UnavailableError
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from tidings.wire.records import Record, encode_batch

R = TypeVar("R", bound=Message)

CREATE_TOPICS_VERSION = 4
PRODUCE_VERSION = 7
"""The newest before flexible headers: what is measured does not depend on it."""

RETRY_S = 0.001
"""How often a server that is not there yet is asked again: the resolution of what is measured."""


def first_acknowledged(port: int, topic: str, timeout_s: float = 60) -> None:
    """Returns once a record is acknowledged by all replicas, the topic made if need be.

    Asks again and again, from when nobody listens yet to when the answer is yes.
    Raises UnavailableError if it never is.
    """
    deadline = time.monotonic() + timeout_s
    problem: object = "nobody listens"
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while time.monotonic() < deadline:
                    problem = _create(connection, topic) or _produce(connection, topic)
                    if problem is None:
                        return
                    time.sleep(RETRY_S)
        except OSError as error:
            problem = error
            time.sleep(RETRY_S)
    raise UnavailableError(f"no record was acknowledged within {timeout_s:g} s: {problem}")


def _create(connection: socket.socket, topic: str) -> ErrorCode | None:
    wanted = CreatableTopic(name=topic, num_partitions=1, replication_factor=1)
    request = CreateTopicsRequest(topics=[wanted], timeout_ms=10_000)
    response = _ask(connection, request, CREATE_TOPICS_VERSION, CreateTopicsResponse)
    code = ErrorCode(response.topics[0].error_code)
    return None if code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS) else code


def _produce(connection: socket.socket, topic: str) -> ErrorCode | None:
    batch = encode_batch([Record(0, int(time.time() * 1000), b"key", b"value", [])])
    to_partition = PartitionProduceData(index=0, records=batch)
    request = ProduceRequest(
        acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name=topic, partition_data=[to_partition])]
    )
    response = _ask(connection, request, PRODUCE_VERSION, ProduceResponse)
    code = ErrorCode(response.responses[0].partition_responses[0].error_code)
    return None if code is ErrorCode.NONE else code


def _ask(connection: socket.socket, request: Message, version: int, expected: type[R]) -> R:
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="footprint"
    )
    body = encode_bytes(header, 1) + encode_bytes(request, version)
    connection.sendall(struct.pack(">i", len(body)) + body)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    answer = _receive(connection, size)
    message, _ = decode(expected, version, answer, 4)  # behind the correlation id
    return message


def _receive(connection: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("closed in the middle of an answer")
        parts += part
    return parts
