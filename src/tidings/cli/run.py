"""`tidings run`: services, in the foreground, until they are told to stop."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.cluster import Cluster, Offsets
    from tidings.service.service import Service

EXAMPLES = """
tidings run shop.shipping                  the service in shop/shipping.py
tidings run shop.shipping shop.pricing     two, in one process
tidings run shop.shipping:shipping         the one of that name
tidings run shop.pricing --once            read what has come, then stop
"""

ONCE_CHECK_S = 0.1


def run(
    services: Annotated[
        list[str], typer.Argument(metavar="MODULE[:NAME]", help="Where the services are, from this folder.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Read what has come since last time, then stop.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Run services, one or several.

    One that starts later, or was away, catches up. SIGTERM and Ctrl-C let it finish what is in hand. It waits for a
    broker that is not there yet.
    """
    os.environ["TIDINGS_URL"] = url
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    found = [service for target in services for service in find(target)]
    names = ", ".join(dict.fromkeys(service.name for service in found))
    print(f"running {names} on {url}", file=sys.stderr, flush=True)
    if once:
        asyncio.run(_run_once(found, url))
    else:
        from tidings.service.runner import run as run_until_signal

        run_until_signal(found)


def find(target: str) -> list[Service]:
    """The services in `module`, or the one that is `module:name`. Raises OperatorError."""
    from tidings.service.service import Service

    path, _, name = target.partition(":")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path == error.name or path.startswith(f"{error.name}.")):
            raise  # the module is there, and misses another: its traceback says where
        raise OperatorError(
            f"there is no module {path!r} here ({os.getcwd()})",
            "Name it as for `python -m`, from the folder that holds its package.",
        ) from None
    if name:
        service = getattr(module, name, None)
        if not isinstance(service, Service):
            raise OperatorError(f"{path} has no service {name!r}", _named(module_services(module)))
        return [service]
    services = module_services(module)
    if not services:
        raise OperatorError(f"{path} declares no service", 'A service is declared so: shipping = Service("shipping").')
    return services


def module_services(module: object) -> list[Service]:
    """The services that are variables of a module, each once."""
    from tidings.service.service import Service

    return list(dict.fromkeys(value for value in vars(module).values() if isinstance(value, Service)))


def _named(services: Sequence[Service]) -> str:
    return f"It has: {', '.join(service.name for service in services)}." if services else "It declares none."


async def _run_once(services: Sequence[Service], url: str) -> None:
    """Run until every service has committed what stood in its streams when this began."""
    from tidings.cli.cluster import Cluster
    from tidings.service.runner import run_services

    cluster = await asyncio.to_thread(Cluster, url)
    ends = {service.name: await asyncio.to_thread(_ends, cluster, service) for service in services}
    await run_services(services, _until_read(cluster, ends))


def _ends(cluster: Cluster, service: Service) -> Offsets:
    """Where the streams that a service's handlers read end now, but for those that are empty."""
    read = {reading["stream"] for reading in service.describe().reads}
    partitions = [at for stream, ats in cluster.streams().items() if stream in read for at in ats]
    begins, ends = cluster.begins(partitions), cluster.ends(partitions)
    return {at: end for at, end in ends.items() if end > begins[at]}


async def _until_read(cluster: Cluster, ends: dict[str, Offsets]) -> None:
    """Returns when the committed positions of every group are at the ends, or past them."""
    for group, group_ends in ends.items():
        while True:
            committed = await asyncio.to_thread(cluster.committed, group)
            if all(committed.get(at, 0) >= end for at, end in group_ends.items()):
                break
            await asyncio.sleep(ONCE_CHECK_S)
