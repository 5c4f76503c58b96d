"""The ledger: what was decided about dead letters, and what became of them.

`<service>.dead-letters.ledger` has one partition, so its notes have one order, and is compacted. A letter is named by
where its record stands, the record's timestamp, and the handler that gave up: `orders/3/42@1767225600000 dispatch`.
The keys, and what the latest value says:

    settled orders/3/42@1767225600000 dispatch
                                    it is done with: {"letter", "outcome": "handled" | "dropped", "time"}
    tried …                         it failed again, or is to be tried again:
                                    {"letter", "asked", "attempts", "handlers", "error", "message", "traceback", "time"}
    edited …                        the value it is to be handled with, as it is; headers `letter`, `time`
    pace                            how fast letters are redriven from now on: {"per_s": number | null}
    floor                           every letter before this one is settled: {"letter"}

`letter` is the offset in the dead-letter stream, `time` milliseconds since the epoch. What ends a letter has a key of
its own: no later wish can take its place when the stream is compacted. A wish repeats how the letter stood, for the
note that said so may be compacted away by it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tidings.service.dead_letters import dead_letters_of
from tidings.service.parking.letters import Edited, LetterId, Note, Settled, Tried, parse_id
from tidings.service.transports.base import Outgoing, Received, StreamSpec


class Pace(NamedTuple):
    """How many letters a second each process of the service may redrive; None: as many as it can."""

    per_s: float | None


class Floor(NamedTuple):
    """Every letter with a lower number is settled: there is no need to read them."""

    number: int


Entry = Note | Pace | Floor


class _Value(msgspec.Struct, omit_defaults=True):
    letter: int
    time: int = 0
    outcome: str = ""
    asked: bool = False
    attempts: int = 0
    handlers: tuple[str, ...] = ()
    error: str = ""
    message: str = ""
    traceback: str = ""


class _Pace(msgspec.Struct):
    per_s: float | None = None


def ledger_of(service: str) -> str:
    """The name of a service's ledger."""
    return f"{dead_letters_of(service)}.ledger"


def ledger_spec(service: str) -> StreamSpec:
    configs = {"cleanup.policy": "compact", "max.message.bytes": str(4 * 1_048_576)}
    return StreamSpec(ledger_of(service), 1, configs)


def write_entry(service: str, entry: Entry) -> Outgoing:
    """An entry as the record that is to be written."""
    key, value, headers = _fields(entry)
    return Outgoing(ledger_of(service), key.encode(), value, headers)


def _fields(entry: Entry) -> tuple[str, bytes, list[tuple[str, bytes | None]]]:
    match entry:
        case Settled(letter_id, number, outcome, time_ms):
            return f"settled {letter_id}", _json(_Value(number, time_ms, outcome)), []
        case Tried(letter_id, number, asked, attempts, handlers, error, message, traceback, time_ms):
            value = _Value(number, time_ms, "", asked, attempts, handlers, error, message, traceback)
            return f"tried {letter_id}", _json(value), []
        case Edited(letter_id, number, new_value, time_ms):
            headers = [("letter", str(number).encode()), ("time", str(time_ms).encode())]
            return f"edited {letter_id}", new_value, [*headers]
        case Pace(per_s):
            return "pace", _json(_Pace(per_s)), []
        case Floor(number):
            return "floor", _json(_Value(number)), []


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def read_entry(record: Received) -> Entry | None:
    """What a record of a ledger says; None when it is none of ours."""
    try:
        kind, _, name = (record.key or b"").decode().partition(" ")
        value = record.value or b""
        if kind == "pace":
            return Pace(msgspec.json.decode(value, type=_Pace).per_s)
        if kind == "floor":
            return Floor(msgspec.json.decode(value, type=_Value).letter)
        return _read_note(kind, parse_id(name), record)
    except (ValueError, KeyError):  # msgspec's and UnicodeDecodeError are ValueErrors
        return None


def _read_note(kind: str, letter_id: LetterId, record: Received) -> Note | None:
    value = record.value or b""
    if kind == "edited":
        told = dict(record.headers or ())
        return Edited(letter_id, int(told["letter"] or b""), value, int(told["time"] or b""))
    said = msgspec.json.decode(value, type=_Value)
    if kind == "settled":
        return Settled(letter_id, said.letter, said.outcome, said.time)
    if kind == "tried":
        return Tried(
            letter_id, said.letter, said.asked, said.attempts, said.handlers,
            said.error, said.message, said.traceback, said.time,
        )  # fmt: skip
    return None
