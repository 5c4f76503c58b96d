"""One event on the screen, and as JSON. Pure: from a record to what is shown."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from tidings.cli.moments import clock_time
from tidings.cli.reader import Seen
from tidings.cli.screen import printable
from tidings.cli.trace_view import record_as_json, service

INDENT_COLUMNS = len("12:03:04.567 ")


def lines(seen: Seen) -> RenderableType:
    """What and when in the first line, the payload in the second, where it belongs in the third."""
    event = seen.event
    first = Text.assemble(
        (clock_time(event.time_ms) + " ", "quiet"),
        (printable(event.type or "(no type)"), "event"),
        "  ",
        (printable(event.key or ""), "key"),
        "  ",
        (str(event.position), "place"),
    )
    said = [
        service(event) and f"by {service(event)}",
        event.correlation_id and f"workflow {event.correlation_id}",
    ]
    below = [Text(payload(seen.data))]
    if any(said):
        below.append(Text(printable("  ".join(part for part in said if part)), "quiet"))
    return Group(first, Padding(Group(*below), (0, 0, 0, INDENT_COLUMNS), expand=False))


def payload(data: bytes | None) -> str:
    """JSON with a little air; other text as it is; other bytes as Python writes them."""
    if data is None:
        return "(nothing: this key was deleted)"
    try:
        return printable(msgspec.json.format(data, indent=0).decode())
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return printable(data.decode())
    except UnicodeDecodeError:
        return repr(data)


def as_json(seen: Seen) -> dict[str, Any]:
    """The record for machines; a payload that is no JSON is `data_base64`, as CloudEvents has it."""
    document = record_as_json(seen.event)
    if seen.data is None:
        return {**document, "data": None}
    try:
        msgspec.json.decode(seen.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {**document, "data_base64": base64.b64encode(seen.data).decode()}
    return {**document, "data": msgspec.Raw(seen.data)}
