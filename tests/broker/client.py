"""A raw client: sends one message, gets the reply to it, and hides nothing of the protocol in between."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from itertools import count
from typing import Any, Self

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Message
from tidings.wire.messages.headers import RequestHeader
from tidings.wire.primitives import skip_tagged_fields

TIMEOUT_S = 10


class Client:
    """One connection. `send` and `receive` are apart, so that a test can have several requests under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._ids = count(1)

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        return cls(*await asyncio.open_connection(*address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):  # the broker was first
            await self.writer.wait_closed()

    def frame(self, request: Message, version: int, *, correlation_id: int | None = None) -> bytes:
        """The bytes of a request, size and all."""
        return request_frame(request, version, next(self._ids) if correlation_id is None else correlation_id)

    def send(self, request: Message, version: int) -> Pending:
        """Send, do not wait."""
        correlation_id = next(self._ids)
        self.writer.write(request_frame(request, version, correlation_id))
        return Pending(type(request), version, correlation_id)

    async def receive(self, pending: Pending) -> Any:
        """The next reply, which must be the one to `pending`."""
        return pending.read(await self.receive_frame())

    async def receive_frame(self) -> bytes:
        """The next reply's frame without its size. Raises IncompleteReadError if the broker hangs up."""
        async with asyncio.timeout(TIMEOUT_S):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def ask(self, request: Message, version: int) -> Any:
        """Send, and wait for the reply."""
        return await self.receive(self.send(request, version))

    async def is_closed_by_broker(self) -> bool:
        """Waits until the broker hangs up; false if it says something first."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


class Pending:
    """A request that was sent: what is needed to read the reply."""

    def __init__(self, request: type[Message], version: int, correlation_id: int) -> None:
        self.request = request
        self.version = version
        self.correlation_id = correlation_id

    def read(self, frame: bytes) -> Message:
        response = self.request.response
        (correlation_id,) = struct.unpack_from(">i", frame)
        assert correlation_id == self.correlation_id
        pos = 4
        if self.version >= response.flexible_since and self.request.__name__ != "ApiVersionsRequest":
            pos = skip_tagged_fields(frame, pos)
        message, end = decode(response, self.version, frame, pos)
        assert end == len(frame)
        return message


def request_frame(request: Message, version: int, correlation_id: int, client_id: str | None = "test") -> bytes:
    header = RequestHeader(
        request_api_key=request.api_key,
        request_api_version=version,
        correlation_id=correlation_id,
        client_id=client_id,
    )
    body = encode_bytes(header, 2 if version >= request.flexible_since else 1) + encode_bytes(request, version)
    return struct.pack(">i", len(body)) + body
