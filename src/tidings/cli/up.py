"""`tidings up`: how it is called. What it does is in `serving`, which does not wait for Typer to be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """
tidings up                        data in ./tidings-data
tidings up --data /srv/events --listen 127.0.0.1:9192
tidings up --listen 127.0.0.1:0   any free port; the line it prints names it
tidings up --durability os        faster, and less safe in a power cut
tidings up --metrics 127.0.0.1:9308 --log-format json --log-level info
                                  for those who watch over it
tidings up --set log.retention.hours=24 --set group.min.session.timeout.ms=1000
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
    auto_create: Annotated[
        bool, typer.Option("--auto-create/--no-auto-create", help="Make a stream when a client first names it.")
    ] = True,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where Prometheus may ask for metrics; nowhere if not given."),
    ] = None,
    log_format: Annotated[
        str,
        typer.Option(metavar="text|json", help="How stderr tells what happens: for people, or a JSON object a line."),
    ] = "text",
    log_level: Annotated[
        str, typer.Option(metavar="debug|info|warning|error", help="What is worth telling.")
    ] = "warning",
    allow_plaintext: Annotated[
        bool, typer.Option("--allow-plaintext", help="Listen beyond this machine without encryption.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting by the name Apache Kafka gives it. Repeatable."),
    ] = None,
) -> None:
    """Start the broker, which keeps the streams.

    It speaks Kafka's protocol: services and every Kafka client connect to it. Ctrl-C or SIGTERM stop it cleanly.
    """
    from tidings.cli.serving import serve

    serve(
        data=data,
        listen=listen,
        durability=durability,
        partitions=partitions,
        advertise=advertise,
        auto_create=auto_create,
        metrics=metrics,
        log_format=log_format,
        log_level=log_level,
        allow_plaintext=allow_plaintext,
        settings=settings or (),
    )
