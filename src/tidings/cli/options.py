"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from tidings.service.url import DEFAULT_URL as DEFAULT_URL

Url = Annotated[
    str, typer.Option("--url", envvar="TIDINGS_URL", metavar="URL", help="The broker: kafka://HOST:PORT[,HOST:PORT].")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
