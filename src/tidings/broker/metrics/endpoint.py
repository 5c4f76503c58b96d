"""`GET /metrics` on an address of its own, on the broker's event loop.

All who ask while a page is being made get the same one. A page is made in pieces, between which clients are served.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from tidings.broker.metrics.catalogue import METRICS
from tidings.monitoring.exposition import CONTENT_TYPE, head, line
from tidings.monitoring.http import Page, PageServer

if TYPE_CHECKING:
    from tidings.broker.server import Broker

PATH = "/metrics"
PIECE_S = 0.002
"""How long a page is worked on before others are served."""


class MetricsEndpoint:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server = PageServer({PATH: self._shared_page})
        self._page: asyncio.Task[Page] | None = None  # the one that is being made

    @property
    def address(self) -> tuple[str, int]:
        return self._server.address

    @property
    def url(self) -> str:
        return self._server.url(PATH)

    async def start(self, listener: socket.socket) -> None:
        await self._server.start(listener)

    async def close(self) -> None:
        if self._page is not None:
            self._page.cancel()
        await self._server.close()

    async def page(self) -> Page:
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
        return Page("".join(pieces).encode(), CONTENT_TYPE)

    async def _shared_page(self) -> Page:
        if self._page is None:
            self._page = asyncio.create_task(self.page())
            self._page.add_done_callback(self._page_made)
        return await asyncio.shield(self._page)

    def _page_made(self, _: asyncio.Task[Page]) -> None:
        self._page = None
