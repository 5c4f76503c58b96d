"""What is logged, on stderr: as text for people, or as JSON for machines."""

from __future__ import annotations

import logging
import sys

from tidings.errors import OperatorError

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
SERVICE_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(format: str, level: str) -> None:
    """The broker's log; as text the message alone. Raises OperatorError for a format or a level that is not known."""
    _check("log format", format, FORMATS)
    _check("log level", level, LEVELS)
    _log_to_stderr(_formatter(format), level, force=True)


def log_services_to_stderr(format: str, level: str) -> None:
    """The log of services; as JSON, a line of a handler's own says which event it handles. Raises OperatorError."""
    _check("log format", format, FORMATS)
    _check("log level", level, LEVELS)
    if format == "text":
        _log_to_stderr(logging.Formatter(SERVICE_TEXT), level)
        return
    from tidings.cli.json_lines import JsonLines
    from tidings.service.operations.log_fields import fields_of_now

    _log_to_stderr(JsonLines(fields_of_now), level)


def _log_to_stderr(formatter: logging.Formatter, level: str, *, force: bool = False) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=force)


def _formatter(format: str) -> logging.Formatter:
    if format == "text":
        return logging.Formatter()
    from tidings.cli.json_lines import JsonLines  # json is not needed otherwise

    return JsonLines()


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OperatorError(f"{what} {value!r} is not known", f"Choose one of: {', '.join(known)}.")
