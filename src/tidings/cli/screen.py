"""The one look of all commands: few colours, thin tables, and none of either for a pipe."""

from __future__ import annotations

import os
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.theme import Theme

THEME = Theme(
    {
        "event": "bold cyan",
        "service": "green",
        "place": "blue",
        "key": "default",
        "quiet": "bright_black",
        "good": "green",
        "warn": "yellow",
        "bad": "bold red",
        "number": "bold",
    }
)

PIPE_COLUMNS = 200
"""Lines are not cut for whoever reads a pipe."""


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(theme=THEME, highlight=False, width=PIPE_COLUMNS if piped else None)


def table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """A table without lines; the columns in `numbers` are aligned right."""
    thin = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="quiet")
    for column in columns:
        thin.add_column(column, justify="right" if column in numbers else "left", no_wrap=True, overflow="ellipsis")
    return thin


def print_json(value: Any) -> None:
    """One JSON document on one line."""
    print(msgspec.json.encode(value).decode(), flush=True)


def amount(number: float) -> str:
    """12,345; fractions only where they matter."""
    return f"{number:,.1f}" if isinstance(number, float) and abs(number) < 100 else f"{number:,.0f}"


def size(size_bytes: int) -> str:
    """In the largest unit that leaves a whole part: 312 B, 4.2 KiB, 1.5 GiB."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"


def printable(text: str) -> str:
    """`text` with control characters spelled out: what others wrote must not steer the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
