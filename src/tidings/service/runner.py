"""Running services until somebody says stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidings.service.service import Service


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


def run(services: Sequence[Service]) -> None:
    """Run services until SIGINT or SIGTERM, which lets them finish what is in hand."""
    asyncio.run(_run_until_signal(services))


async def _run_until_signal(services: Sequence[Service]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_services(services, stop.wait())
