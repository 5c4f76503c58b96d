"""How an event came to its end, and whether it was the end: what dead letters say, and the ledger says of them."""

from __future__ import annotations

from typing import NamedTuple

from tidings.events.envelope import Headers, text_of
from tidings.events.position import Position
from tidings.service.dead_letters import is_dead_letters
from tidings.service.parking.ledger import read_entry
from tidings.service.parking.letters import Settled
from tidings.service.transports.base import Received

LEDGER = ".ledger"


class Burial(NamedTuple):
    """What is missing, or no number, is empty or 0: anybody may have written it."""

    service: str
    handler: str
    reason: str
    error: str
    message: str
    attempts: int
    time_ms: int
    behind: str = ""
    """Where the record stands that it waits for: nobody has tried to handle it."""


class Settlement(NamedTuple):
    """A dead letter is done with."""

    letter: Position
    """Where it stands."""
    outcome: str
    """`handled` or `dropped`."""


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
        text("behind"),
    )


def settlement_in(record: Received) -> Settlement | None:
    """None where the record is no such entry of a ledger (see `parking.ledger`)."""
    letters = record.stream.removesuffix(LEDGER)
    if letters == record.stream or not is_dead_letters(letters):
        return None
    entry = read_entry(record)
    return Settlement(Position(letters, 0, entry.number), entry.outcome) if isinstance(entry, Settled) else None
