"""Options that the sub-commands of `tidings dead` share."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.dead_choice import Choice

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="Whose dead letters.")]
Number = Annotated[int, typer.Argument(metavar="LETTER", help="Its number, as `tidings dead list` shows it.")]
Numbers = Annotated[
    list[int] | None, typer.Argument(metavar="LETTER", help="Their numbers, as `tidings dead list` shows them.")
]
Key = Annotated[str | None, typer.Option(help="Those of one key.")]
Error = Annotated[str | None, typer.Option(metavar="TEXT", help="A type of error, or a part of what it said.")]
Handler = Annotated[str | None, typer.Option(help="Those that one handler gave up.")]
Reason = Annotated[str | None, typer.Option(help="failed, undecodable, refused or behind.")]
Stream = Annotated[str | None, typer.Option(help="Those whose records stand in one stream.")]
Since = Annotated[str | None, typer.Option(metavar="WHEN", help="Given up since: 1h, 7d, 2026-01-31T09:30.")]
Behind = Annotated[bool, typer.Option("--behind", help="Also records that only wait behind another of their key.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you mean it.")]

REASONS = ("failed", "undecodable", "refused", "behind")


def choice_of(
    numbers: Collection[int],
    key: str | None,
    error: str | None,
    handler: str | None,
    reason: str | None,
    stream: str | None,
    since: str | None,
    behind: bool,
) -> Choice:
    """Raises OperatorError for what cannot be meant."""
    from tidings.cli.dead_choice import Choice

    if reason is not None and reason not in REASONS:
        raise OperatorError(f"{reason!r} is no reason", f"There are {', '.join(REASONS)}.")
    return Choice(frozenset(numbers), key, error, handler, reason, stream, _since_ms(since), behind)


def _since_ms(since: str | None) -> int | None:
    from tidings.cli.moments import parse_start

    if since is None:
        return None
    start = parse_start(since, time.time_ns() // 1_000_000)
    if start.kind not in ("time", "beginning"):
        raise OperatorError(f"{since!r} is no time", "Write a span before now (90s, 5m, 1d), or 2026-01-31T09:30.")
    return start.value
