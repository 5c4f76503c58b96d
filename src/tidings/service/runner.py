"""Running services until somebody says stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn

from tidings.service.rarely_collected import rarely_collected

if TYPE_CHECKING:
    from tidings.service.service import Service

log = logging.getLogger("tidings.service")

Listen = tuple[str, int]
"""Host and port for `/live`, `/ready` and `/metrics`."""


async def run_services(services: Sequence[Service], until: Awaitable[object] | None = None) -> None:
    """Run services side by side until `until` is done, this is cancelled, or one falls over; then stop them all.

    A service that starts while the broker is away waits for it. Raises what a service fell over.
    """
    ends: list[asyncio.Future[object]] = [asyncio.ensure_future(until)] if until is not None else []
    try:
        ends += [asyncio.ensure_future(_live(service)) for service in services]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in done:
            end.result()
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _live(service: Service) -> None:
    try:
        await service.start()
        await service.until_failed()
    finally:
        await service.stop()


def run(
    services: Sequence[Service],
    *,
    until: Callable[[], Awaitable[object]] | None = None,
    listen: Listen | None = None,
    lifeline: int | None = None,
) -> None:
    """Run services until SIGINT or SIGTERM, which lets them finish what is in hand, or until `until` is done.

    A second signal ends the process where it stands. `listen` is where the pages for operators are served. `lifeline`
    is a file descriptor that somebody holds the other end of: when it is let go of, that is as good as a signal.
    Raises OperatorError.
    """
    with rarely_collected():  # the process is ours
        asyncio.run(_run_until_signal(services, until, listen, lifeline))


async def _run_until_signal(
    services: Sequence[Service],
    until: Callable[[], Awaitable[object]] | None,
    listen: Listen | None,
    lifeline: int | None,
) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.signalled, number)
    if lifeline is not None:
        loop.add_reader(lifeline, stop.let_go, lifeline)
    try:
        async with AsyncExitStack() as around:
            if listen is not None:
                from tidings.service.operations.endpoint import operations

                host, port = listen
                endpoint = await around.enter_async_context(operations(services, port, host=host))
                log.info("live, ready and metrics at %s", endpoint.url)
            await run_services(services, stop.asked() if until is None else _either(stop.asked(), until()))
    finally:
        if lifeline is not None:
            loop.remove_reader(lifeline)


async def _either(*awaitables: Awaitable[object]) -> None:
    """Returns when one of them is done. Raises what that one does."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Stop:
    """The first signal asks services to stop; the second ends the process, with the exit code of who dies of it."""

    def __init__(self, leave: Callable[[int], NoReturn] = os._exit) -> None:
        self._asked = asyncio.Event()
        self._leave = leave

    async def asked(self) -> None:
        await self._asked.wait()

    def signalled(self, number: int) -> None:
        if self._asked.is_set():
            log.warning("told twice to stop: what is in hand will come again")
            logging.shutdown()
            self._leave(128 + number)
        log.info("stopping: what is in hand is finished first (%s)", signal.Signals(number).name)
        self._asked.set()

    def let_go(self, lifeline: int) -> None:
        if not os.read(lifeline, 1):
            asyncio.get_running_loop().remove_reader(lifeline)
            log.warning("stopping: the process that supervised this one is gone")
            self._asked.set()
