"""`tidings run`: services, in the foreground, until they are told to stop."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.cluster import Cluster, Offsets
    from tidings.service.runner import Listen
    from tidings.service.service import Service

EXAMPLES = """
tidings run shop.shipping                  the service in shop/shipping.py
tidings run shop.shipping shop.pricing     two, in one process
tidings run shop.shipping:shipping         the one of that name
tidings run shop.pricing --once            read what has come, then stop
tidings run shop.shipping --port 9100 --log json
                                           /live, /ready and /metrics; a JSON object a line
tidings run shop.shipping --processes 4    four of it, started again when they die
"""

ONCE_CHECK_S = 0.1


def run(
    services: Annotated[
        list[str], typer.Argument(metavar="MODULE[:NAME]", help="Where the services are, from this folder.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Read what has come since last time, then stop.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Events handled at a time, in each service; it says itself if not given.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="So many processes, which share the partitions.")] = 1,
    port: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Where /live, /ready and /metrics are; of the first process."),
    ] = None,
    log_format: Annotated[
        str, typer.Option("--log", metavar="text|json", help="How stderr tells what happens.")
    ] = "text",
    log_level: Annotated[str, typer.Option(metavar="debug|info|warning|error", help="What is worth telling.")] = "info",
    url: Url = DEFAULT_URL,
) -> None:
    """Run services, one or several.

    One that starts later, or was away, catches up. SIGTERM and Ctrl-C let it finish what is in hand; a second one ends
    it at once. It waits for a broker that is not there yet.

    With --processes each has a port of its own: the first PORT, the next PORT + 1, and so on.
    """
    from tidings.cli.log_lines import log_services_to_stderr
    from tidings.cli.supervisor import LIFELINE, supervise
    from tidings.service.runner import run as run_until_signal

    os.environ["TIDINGS_URL"] = url
    log_services_to_stderr(log_format, log_level)
    listen = None if port is None else address(port)
    found = [service for target in services for service in find(target)]
    _check_names(found)
    names = ", ".join(service.name for service in found)
    if processes > 1:
        print(f"running {names} on {url} in {processes} processes", file=sys.stderr, flush=True)
        options = ["--url", url, "--log", log_format, "--log-level", log_level]
        options += ["--once"] if once else []
        options += ["--workers", str(workers)] if workers else []
        code = supervise([[*services, *options, *_port_of(listen, index)] for index in range(processes)])
        if code:
            raise typer.Exit(code)
        return
    for service in found:
        service.workers = workers or service.workers
    print(f"running {names} on {url}", file=sys.stderr, flush=True)
    lifeline = int(os.environ[LIFELINE]) if LIFELINE in os.environ else None
    until = until_read(found, url) if once else None
    run_until_signal(found, until=until, listen=listen, lifeline=lifeline)


def address(text: str) -> Listen:
    """`9100`, `0.0.0.0:9100`, `[::]:9100`; a port alone is for this machine only. Raises OperatorError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 65_536):
        raise OperatorError(f"{text!r} is no port", "Write --port 9100, or --port 0.0.0.0:9100 for other machines.")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _port_of(listen: Listen | None, index: int) -> list[str]:
    """The option that gives a process its own port."""
    if listen is None:
        return []
    host, port = listen
    shown = f"[{host}]" if ":" in host else host
    return ["--port", f"{shown}:{port + index if port else 0}"]


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


def _check_names(services: list[Service]) -> None:
    """Those that were named twice run once. Raises OperatorError for two of one name."""
    services[:] = dict.fromkeys(services)
    names = [service.name for service in services]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperatorError(
            f"two services are called {twice[0]!r}: they would be one group, and share their events",
            "Give one of them another name, or run it elsewhere.",
        )


def until_read(services: Sequence[Service], url: str) -> Callable[[], Awaitable[None]]:
    """What returns when every service has committed what stands in its streams now. Raises UnavailableError."""
    from tidings.cli.cluster import Cluster

    cluster = Cluster(url)
    ends = {service.name: _ends(cluster, service) for service in services}
    return lambda: _until_read(cluster, ends)


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
