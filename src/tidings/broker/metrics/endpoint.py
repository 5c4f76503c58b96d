"""`GET /metrics` on an address of its own: as little HTTP as Prometheus needs, on the broker's event loop.

Bounded in every way: a request has a few kilobytes and seconds, few are served at a time, and all who ask while a
page is being made get the same one. A page is made in pieces, between which clients are served.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tidings.broker.metrics.catalogue import METRICS
from tidings.broker.metrics.exposition import CONTENT_TYPE, head, line

if TYPE_CHECKING:
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)

PATH = "/metrics"
HEAD_BYTES_MAX = 8 << 10
REQUEST_S_MAX = 10.0
CLIENTS_MAX = 16
PIECE_S = 0.002
"""How long a page is worked on before others are served."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class MetricsEndpoint:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._page: asyncio.Task[bytes] | None = None  # the one that is being made
        self.address = ("", 0)

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    async def start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=HEAD_BYTES_MAX)
        self.address = listener.getsockname()[:2]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in [*self._clients, *([self._page] if self._page else [])]:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def page(self) -> bytes:
        """All metrics as they are now. To be made by one at a time: see `_shared_page`."""
        loop = self._broker.loop
        pieces = []
        began = loop.time()
        for metric, source in METRICS.items():
            pieces.append(head(metric))
            for sample in source(self._broker):
                if sample is not None:
                    pieces.append(line(metric, sample))
                if loop.time() - began > PIECE_S:
                    await asyncio.sleep(0)
                    began = loop.time()
        return "".join(pieces).encode()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S_MAX):
                asked = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(asked))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it went away, or was no client of ours
        except Exception:
            log.exception("the metrics could not be told")
        finally:
            with suppress(OSError):
                writer.transport.abort()

    async def _answer(self, asked: bytes) -> bytes:
        method, _, rest = asked.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"only GET\n")
        if path != PATH.encode():
            return _response("404 Not Found", f"the metrics are at {PATH}\n".encode())
        response = _response("200 OK", await self._shared_page())
        return response if method == b"GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    async def _shared_page(self) -> bytes:
        if self._page is None:
            self._page = asyncio.create_task(self.page())
            self._page.add_done_callback(self._page_made)
        return await asyncio.shield(self._page)

    def _page_made(self, _: asyncio.Task[bytes]) -> None:
        self._page = None


def _response(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
