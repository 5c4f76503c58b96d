"""`tidings relay`: publishes what services have put into their outboxes, and runs nothing else of them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Url
from tidings.cli.run import find

if TYPE_CHECKING:
    from tidings.service.service import Service

EXAMPLES = """
tidings relay shop.billing            the outbox of the service in shop/billing.py
tidings relay shop.billing:billing    that of the one of that name
"""


def relay(
    services: Annotated[
        list[str], typer.Argument(metavar="MODULE[:NAME]", help="Where the services are, from this folder.")
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Publish what services with a database have put into their outboxes.

    Services do that themselves, unless they are declared with Database(…, relay=False). One relay of each service
    publishes at a time; another stands by, and takes over when it is gone.
    """
    os.environ["TIDINGS_URL"] = url
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    found = [service for target in services for service in find(target)]
    print(f"relaying {', '.join(service.name for service in found)} to {url}", file=sys.stderr, flush=True)
    asyncio.run(_relay_until_signal(found))


async def _relay_until_signal(services: Sequence[Service]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    relays = [asyncio.ensure_future(service.relay()) for service in services]
    stopped = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *relays], return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        for task in (stopped, *relays):
            task.cancel()
        await asyncio.gather(stopped, *relays, return_exceptions=True)
