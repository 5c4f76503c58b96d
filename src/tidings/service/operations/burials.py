"""What a dead letter says of how an event came to its end (see `dead_letters` for its headers)."""

from __future__ import annotations

from typing import NamedTuple

from tidings.events.envelope import Headers, text_of


class Burial(NamedTuple):
    """What is missing, or no number, is empty or 0: anybody may have written it."""

    service: str
    handler: str
    reason: str
    error: str
    message: str
    attempts: int
    time_ms: int


def burial_in(headers: Headers) -> Burial | None:
    """None where the headers are of no dead letter."""
    if not any(name == "dead_reason" for name, _ in headers):
        return None
    values = dict(headers)

    def text(name: str) -> str:
        return text_of(values, f"dead_{name}") or ""

    def number(name: str) -> int:
        found = text(name)
        return int(found) if found.isascii() and found.isdecimal() and len(found) < 19 else 0

    return Burial(
        text("service"),
        text("handler"),
        text("reason"),
        text("error"),
        text("message"),
        number("attempts"),
        number("time"),
    )
