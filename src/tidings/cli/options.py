"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_URL = "kafka://127.0.0.1:9092"

Url = Annotated[
    str, typer.Option("--url", envvar="TIDINGS_URL", metavar="URL", help="The broker: kafka://HOST:PORT[,HOST:PORT].")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
