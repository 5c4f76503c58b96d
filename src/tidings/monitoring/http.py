"""As little HTTP as Prometheus and probes need: a few pages on an address of their own, by GET.

Bounded in every way: a request has a few kilobytes and seconds, and few are served at a time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

log = logging.getLogger(__name__)

HEAD_BYTES_MAX = 8 << 10
REQUEST_S_MAX = 10.0
CLIENTS_MAX = 16
PLAIN = "text/plain; charset=utf-8"


class Page(NamedTuple):
    body: bytes
    content_type: str = PLAIN
    status: HTTPStatus = HTTPStatus.OK


Make = Callable[[], Awaitable[Page]]
"""Makes a page anew whenever it is asked for."""


class PageServer:
    """Serves `pages`, by their paths, on the event loop it was started on."""

    def __init__(self, pages: Mapping[str, Make]) -> None:
        self._pages = {path.encode(): make for path, make in pages.items()}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.address = ("", 0)

    def url(self, path: str = "") -> str:
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"

    async def start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=HEAD_BYTES_MAX)
        self.address = listener.getsockname()[:2]

    async def close(self) -> None:
        """Does not wait for those who have asked."""
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

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
            log.exception("a page could not be made")
        finally:
            with suppress(OSError):
                writer.transport.abort()

    async def _answer(self, asked: bytes) -> bytes:
        method, _, rest = asked.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response(Page(b"only GET\n", status=HTTPStatus.METHOD_NOT_ALLOWED))
        make = self._pages.get(path)
        if make is None:
            known = b", ".join(sorted(self._pages))
            return _response(Page(b"there is: " + known + b"\n", status=HTTPStatus.NOT_FOUND))
        response = _response(await make())
        return response if method == b"GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _response(page: Page) -> bytes:
    head = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + page.body
