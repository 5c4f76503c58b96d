"""`tidings up`: the broker, in the foreground, until it is told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.broker.config import BrokerConfig, Durability

EXAMPLES = """
tidings up                        data in ./tidings-data
tidings up --data /srv/events --listen 127.0.0.1:9192
tidings up --listen 127.0.0.1:0   any free port; the line it prints names it
tidings up --durability os        faster, and less safe in a power cut
"""


def up(
    data: Annotated[Path, typer.Option(help="The folder that holds everything; made if it is not there.")] = Path(
        "tidings-data"
    ),
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where clients connect.")] = "127.0.0.1:9092",
    durability: Annotated[
        str, typer.Option(metavar="fsync|os", help="What an acknowledgement waits for: the disk, or its cache.")
    ] = "fsync",
    partitions: Annotated[int, typer.Option(min=1, help="Of a stream that is made without saying how many.")] = 1,
    advertise: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The address clients are told, if it is another.")
    ] = None,
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Listen beyond this machine without encryption.")
    ] = False,
) -> None:
    """Start the broker, which keeps the streams.

    It speaks Kafka's protocol: services and every Kafka client connect to it. Ctrl-C or SIGTERM stop it cleanly.
    """
    from tidings.broker.config import BrokerConfig, split_address

    host, port = split_address(listen)
    if not (allow_plaintext or is_loopback(host)):
        raise OperatorError(
            f"listening on {host} would let others read and write events unencrypted",
            "Listen on 127.0.0.1, or add --allow-plaintext if the network is your own.",
        )
    config = BrokerConfig(
        data=data,
        host=host,
        port=port,
        advertised=advertise,
        durability=cast("Durability", durability),
        num_partitions=partitions,
    )
    asyncio.run(serve(config))


async def serve(config: BrokerConfig) -> None:
    """Open the broker, say that it is up, and stop it on SIGINT or SIGTERM."""
    from tidings.broker.server import Broker

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    broker = await Broker.open(config)
    try:
        host, port = broker.address
        shown_host = f"[{host}]" if ":" in host else host
        where = f"kafka://{shown_host}:{port}"
        print(f"tidings is up at {where} (data in {shown(config.data)}, durability {config.durability})", flush=True)
        await stop.wait()
    finally:
        await broker.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(path: Path) -> str:
    """A path as one would type it: relative ones begin with a dot."""
    return str(path) if path.is_absolute() or path.parts[:1] in ((".",), ("..",)) else f"./{path}"
