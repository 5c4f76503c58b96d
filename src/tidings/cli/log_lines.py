"""What the broker logs, on stderr: as text for people (the message alone), or as JSON for machines."""

from __future__ import annotations

import logging
import sys

from tidings.errors import OperatorError

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")


def log_to_stderr(format: str, level: str) -> None:
    """Raises OperatorError for a format or a level that is not known."""
    _check("log format", format, FORMATS)
    _check("log level", level, LEVELS)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(format))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _formatter(format: str) -> logging.Formatter:
    if format == "text":
        return logging.Formatter()
    from tidings.cli.json_lines import JsonLines  # json is not needed otherwise

    return JsonLines()


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OperatorError(f"{what} {value!r} is not known", f"Choose one of: {', '.join(known)}.")
