"""`/live`, `/ready` and `/metrics` of services, over HTTP.

They are served by a thread with an event loop of its own: a service that hangs must not hang who asks whether it does.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tidings.errors import OperatorError
from tidings.monitoring.exposition import CONTENT_TYPE
from tidings.monitoring.http import Page, PageServer
from tidings.service.operations import metrics
from tidings.service.operations.health import why_not_live, why_not_ready
from tidings.service.operations.looking import ask_broker, ends_of, look, outbox_of, rows_of
from tidings.service.operations.loop_watch import LoopWatch
from tidings.service.operations.reach import WAIT_S, Reach
from tidings.service.operations.state import OutboxState
from tidings.service.operations.tally import Tally
from tidings.service.transports.base import Place

if TYPE_CHECKING:
    from tidings.service.service import Service

T = TypeVar("T")

HOST = "127.0.0.1"
START_S_MAX = 10.0
JSON = "application/json"


class Pages:
    """What there is to be read of `services`, which run on the event loop `loop`."""

    def __init__(self, services: Sequence[Service], loop: asyncio.AbstractEventLoop, watch: LoopWatch) -> None:
        self._services = services
        self._loop = loop
        self._watch = watch
        self._reaches = [Reach(self._asking(service)) for service in services]

    def _asking(self, service: Service) -> Callable[[], Coroutine[Any, Any, None]]:
        return lambda: self._there(ask_broker(service))

    async def live(self) -> Page:
        """200 while every service lives."""
        loop, now_s = self._watch.state(), time.monotonic()
        return _verdict("live", {at.name: why_not_live(look(at, now_s), loop) for at in self._services})

    async def ready(self) -> Page:
        """200 while every service is ready."""
        return _verdict(
            "ready", dict(zip((at.name for at in self._services), await self._why_not_ready(), strict=True))
        )

    async def _why_not_ready(self) -> list[list[str]]:
        problems = await asyncio.gather(*(reach.problem() for reach in self._reaches))
        loop, now_s = self._watch.state(), time.monotonic()
        return [
            why_not_ready(look(service, now_s), loop, problem)
            for service, problem in zip(self._services, problems, strict=True)
        ]

    async def metrics(self) -> Page:
        """For Prometheus."""
        why = await self._why_not_ready()
        ends = await asyncio.gather(*(self._ends(service) for service in self._services))
        rows = await asyncio.gather(*(asyncio.to_thread(rows_of, service) for service in self._services))
        outboxes = await asyncio.gather(*(self._outbox(service) for service in self._services))
        loop, now_s = self._watch.state(), time.monotonic()
        sights = []
        for index, service in enumerate(self._services):
            state = look(service, now_s)
            live = not why_not_live(state, loop)
            tally = service.tally or Tally()
            sight = metrics.Sight(state, tally, live, not why[index], ends[index], rows[index], outboxes[index])
            sights.append(sight)
        return Page(metrics.page(sights).encode(), CONTENT_TYPE)

    async def _ends(self, service: Service) -> dict[Place, int]:
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._there(ends_of(service))
        except (TimeoutError, RuntimeError):
            return {}

    async def _outbox(self, service: Service) -> OutboxState | None:
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._there(outbox_of(service))
        except (TimeoutError, RuntimeError):
            return None

    async def _there(self, question: Coroutine[Any, Any, T]) -> T:
        """Ask on the services' loop. Raises RuntimeError if that is closed."""
        try:
            answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:
            question.close()
            raise
        return await asyncio.wrap_future(answer)

    async def close(self) -> None:
        await asyncio.gather(*(reach.close() for reach in self._reaches))


def _verdict(word: str, why: dict[str, list[str]]) -> Page:
    """`why` not, for each service."""
    reasons = {service: those for service, those in why.items() if those}
    body = msgspec.json.encode({word: not reasons, "why": reasons}) + b"\n"
    return Page(body, JSON, HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)


class Endpoint:
    """The thread that serves the pages."""

    def __init__(self, pages: Pages, listener: socket.socket) -> None:
        self._pages = pages
        self._listener = listener
        self._server = PageServer({"/live": pages.live, "/ready": pages.ready, "/metrics": pages.metrics})
        self._serving = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="tidings-operations", daemon=True
        )

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, without a path."""
        return self._server.url()

    def start(self) -> None:
        """Returns when the pages are served."""
        self._thread.start()
        self._serving.wait(START_S_MAX)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.start(self._listener)
        self._serving.set()
        await self._closing.wait()
        await self._server.close()
        await self._pages.close()

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()


@asynccontextmanager
async def operations(services: Sequence[Service], port: int, *, host: str = HOST) -> AsyncIterator[Endpoint]:
    """Serve `/live`, `/ready` and `/metrics` of services that are started inside of this, on this event loop.

    Raises OperatorError if nobody can listen at that address. Port 0 takes any free one.
    """
    listener = listen(host, port)
    for service in services:
        if service.tally is None:
            service.tally = Tally()
    watch = LoopWatch()
    endpoint = Endpoint(Pages(services, asyncio.get_running_loop(), watch), listener)
    endpoint.start()
    try:
        yield endpoint
    finally:
        await asyncio.to_thread(endpoint.close)
        watch.stop()


def listen(host: str, port: int) -> socket.socket:
    """Raises OperatorError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OperatorError(f"cannot listen on {host}:{port}: {reason}", "Choose another port.") from None
