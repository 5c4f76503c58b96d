"""The broker, in the foreground, until it is told to stop: what `tidings up` does."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tidings.broker.config import BrokerConfig, split_address
from tidings.broker.server_properties import with_properties
from tidings.cli.log_lines import log_to_stderr
from tidings.errors import OperatorError
from tidings.log.disk_files import raise_descriptor_limit

if TYPE_CHECKING:
    from tidings.broker.config import Durability

_OPTIONS: dict[str, type] = {
    "--data": Path,
    "--listen": str,
    "--durability": str,
    "--partitions": int,
    "--advertise": str,
    "--metrics": str,
    "--log-format": str,
    "--log-level": str,
}
_FLAGS = {"--allow-plaintext": ("allow_plaintext", True), "--no-auto-create": ("auto_create", False)}
"""What each of them sets."""


def plain_arguments(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The options of a `tidings up` that is written plainly, as `serve` takes them; None for anything else.

    Typer, with what it brings along, takes longer to load than a broker to start. It still has the word in all that
    is not plain: help, mistakes, abbreviations.
    """
    found: dict[str, Any] = {}
    settings: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument in _FLAGS:
            parameter, setting = _FLAGS[argument]
            found[parameter] = setting
            continue
        if name != "--set" and name not in _OPTIONS:
            return None
        if not equals:
            value = next(rest, "-")
        if not value or (value.startswith("-") and not equals):
            return None
        if name == "--set":
            settings.append(value)
            continue
        try:
            found[name.removeprefix("--").replace("-", "_")] = _OPTIONS[name](value)
        except ValueError:
            return None
    return {**found, "settings": settings} if settings else found


def serve(
    data: Path = Path("tidings-data"),
    listen: str = "127.0.0.1:9092",
    durability: str = "fsync",
    partitions: int = 1,
    advertise: str | None = None,
    auto_create: bool = True,
    metrics: str | None = None,
    log_format: str = "text",
    log_level: str = "warning",
    allow_plaintext: bool = False,
    settings: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM. Raises OperatorError where the settings, the port or the folder do not fit.

    `settings` are of the form NAME=VALUE, by Apache Kafka's names.
    """
    log_to_stderr(log_format, log_level)
    raise_descriptor_limit()
    host, port = split_address(listen)
    _check_listener(host, allow_plaintext, "read and write events")
    if metrics is not None:
        _check_listener(split_address(metrics)[0], allow_plaintext, "read the broker's metrics")
    config = BrokerConfig(
        data=data,
        host=host,
        port=port,
        advertised=advertise,
        durability=cast("Durability", durability),
        num_partitions=partitions,
        auto_create_topics=auto_create,
        metrics=metrics,
    )
    asyncio.run(_serve(with_properties(config, _properties(settings)) if settings else config))


def _properties(settings: Sequence[str]) -> dict[str, str]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise OperatorError(f"{setting!r} is no setting", "Write it as NAME=VALUE.")
        found[name.strip()] = value
    return found


async def _serve(config: BrokerConfig) -> None:
    """Open the broker, say that it is up, and stop it on SIGINT or SIGTERM."""
    from tidings.broker.server import Broker

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    broker = await Broker.open(config)
    gc.freeze()  # what is there now stays: to look through it for garbage, now and then, would take 20 ms
    try:
        host, port = broker.address
        shown_host = f"[{host}]" if ":" in host else host
        where = f"kafka://{shown_host}:{port}"
        facts = [f"data in {shown(config.data)}", f"durability {config.durability}"]
        if broker.metrics is not None:
            facts.append(f"metrics at {broker.metrics.url}")
        print(f"tidings is up at {where} ({', '.join(facts)})", flush=True)
        await stop.wait()
    finally:
        await broker.close()


def _check_listener(host: str, allow_plaintext: bool, what: str) -> None:
    if not (allow_plaintext or is_loopback(host)):
        raise OperatorError(
            f"listening on {host} would let others {what} unencrypted",
            "Listen on 127.0.0.1, or add --allow-plaintext if the network is your own.",
        )


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
