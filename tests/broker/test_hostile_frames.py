"""Whatever bytes come, a connection answers them or hangs up; nothing breaks, and nothing is promised by accident."""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from typing import Any, cast

import pytest

from tidings.broker.requests.connection import Connection
from tidings.broker.server import Broker
from tidings.wire.codec import encode_bytes
from tidings.wire.messages.headers import RequestHeader

FRAMES_PER_VERSION = 30


class Deaf:
    """A transport whose other end takes everything and hears nothing."""

    def __init__(self) -> None:
        self.is_closed = False

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return "192.0.2.7", 4711

    def write(self, data: Any) -> None:
        pass

    def writelines(self, data: Any) -> None:
        pass

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    abort = close


def feed(broker: Broker, frame: bytes) -> None:
    """One connection that sends this and leaves."""
    connection = Connection(broker)
    connection.connection_made(cast("asyncio.Transport", Deaf()))
    data = struct.pack(">i", len(frame)) + frame
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))
    connection.connection_lost(None)


def spoiled(body: bytes, chance: random.Random) -> bytes:
    """A request with some of its bytes changed, cut off or added."""
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if data:
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) + 1) :]
    if chance.random() < 0.3:
        data += chance.randbytes(chance.randrange(40))
    return bytes(data)


@pytest.mark.parametrize("seed", [1])
async def test_no_frame_breaks_any_api_in_any_version(
    live: Broker, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    chance = random.Random(seed)
    caplog.set_level(logging.ERROR)
    for key, api in live.apis.items():
        for version in range(api.version_min, api.version_max + 1):
            body = encode_bytes(api.request(), version)
            for _ in range(FRAMES_PER_VERSION):
                header = RequestHeader(
                    request_api_key=key, request_api_version=version, correlation_id=1, client_id="test"
                )
                header_bytes = encode_bytes(header, 2 if version >= api.request.flexible_since else 1)
                bytes_sent = chance.choice((header_bytes, header_bytes[:-1], b"")) + spoiled(body, chance)
                feed(live, bytes_sent)
                assert not caplog.records, f"{api.name} v{version} (seed {seed}): {bytes_sent.hex()}"
        await asyncio.sleep(0)
