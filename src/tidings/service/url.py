"""Where the broker is: `kafka://host:port`, or several hosts with commas, in $TIDINGS_URL."""

from __future__ import annotations

import os
import re

from tidings.errors import OperatorError

DEFAULT_URL = "kafka://127.0.0.1:9092"
PORT = 9092

_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\[\]/?#@]+)(?::(\d{1,5}))?")


def broker_url(url: str | None = None) -> str:
    """The URL given, or that of the environment, or the default."""
    return url or os.environ.get("TIDINGS_URL") or DEFAULT_URL


def bootstrap_servers(url: str) -> str:
    """The hosts of a `kafka://` URL, as Kafka's clients want them. Raises OperatorError."""
    scheme, found, hosts = url.partition("://")
    matches = [_HOST.fullmatch(host.strip()) for host in hosts.rstrip("/").split(",")]
    if scheme != "kafka" or not found or not all(matches):
        raise OperatorError(f"{url!r} is no broker's address", f"write it as {DEFAULT_URL} (several hosts with commas)")
    return ",".join(f"{match[1]}:{match[2] or PORT}" for match in matches if match)
