"""A log for machines: one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

OURS = "tidings."


class JsonLines(logging.Formatter):
    """`event` is the message before its values were put in: the same for every event of a kind.

    A record's fields are its arguments where it names them (`log.warning("closed %(peer)s: %(error)s", {...})`) and
    what it was given as `extra`. `fields_now` knows those of what the running code is about; our own lines say
    theirs themselves.
    """

    def __init__(self, fields_now: Callable[[], Mapping[str, Any]] | None = None) -> None:
        super().__init__()
        self._fields_now = fields_now

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "event": str(record.msg),
        }
        if fields := self._fields(record):
            said["fields"] = fields
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str, ensure_ascii=False)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if self._fields_now is not None and not record.name.startswith(OURS):
            fields.update(self._fields_now())
        if isinstance(record.args, Mapping):
            fields.update(record.args)
        fields.update((name, value) for name, value in vars(record).items() if name not in _PLAIN)
        return fields


_PLAIN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))
"""What every record has."""
