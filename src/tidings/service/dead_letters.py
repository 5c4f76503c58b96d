"""Dead letters: what could not be handled, kept whole, with the reason and the way back.

Key, value and headers are those of the record, byte for byte; these headers are added behind them:

    dead_reason      undecodable | failed | refused | behind
    dead_service     whose dead letter it is
    dead_handler     the handler that gave up; absent when none could begin
    dead_error       the type of the error
    dead_message     what it said
    dead_attempts    how often the handler was tried
    dead_traceback   its last lines
    dead_stream, dead_partition, dead_offset     where the record stands
    dead_timestamp   the record's own timestamp (milliseconds since the epoch)
    dead_time        when it was given up (the same)
    dead_parks       "yes" when its key is parked: later records of the key wait behind it (see `parking`)
    dead_behind      of a record that waits: where the one stands that it waits for

What has become of a letter since is told in a second stream, the ledger (see `parking.ledger`).
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from tidings.events.envelope import Headers
from tidings.events.position import Position
from tidings.service.transports.base import Outgoing, Received, StreamSpec

UNDECODABLE = "undecodable"
FAILED = "failed"
REFUSED = "refused"
BEHIND = "behind"

TABLE = "(table)"
"""The handler of a letter that a table has written. A table never reads a record again, so there is no way back."""

MESSAGE_CHARS_MAX = 2_000
TRACEBACK_CHARS_MAX = 4_000
RECORD_BYTES_MAX = 4 * 1_048_576
"""More than streams take by default, so that the largest record still fits with its reason."""

_SUFFIX = ".dead-letters"
_FIRST = "dead_reason"


def dead_letters_of(service: str) -> str:
    """The name of a service's dead-letter stream."""
    return service + _SUFFIX


def is_dead_letters(stream: str) -> bool:
    return stream.endswith(_SUFFIX)


def service_of_dead_letters(stream: str) -> str:
    """The service that a dead-letter stream is of."""
    return stream.removesuffix(_SUFFIX)


def dead_letter_spec(service: str) -> StreamSpec:
    """One partition: dead letters are few, and their order is worth keeping."""
    configs = {"retention.ms": "-1", "max.message.bytes": str(RECORD_BYTES_MAX)}
    return StreamSpec(dead_letters_of(service), 1, configs)


def dead_letter(
    service: str,
    record: Received,
    reason: str,
    error: BaseException,
    now_ms: int,
    *,
    handler: str = "",
    attempts: int = 0,
    parks: bool = False,
) -> Outgoing:
    """The record as it is to be written to the dead-letter stream."""
    told = {
        _FIRST: reason,
        "dead_service": service,
        "dead_handler": handler,
        **described(error, with_traceback=reason == FAILED),
        "dead_attempts": str(attempts),
        **_origin(record),
        "dead_time": str(now_ms),
        "dead_parks": "yes" if parks else "",
    }
    return _with_headers(service, record, told)


def letter_behind(service: str, record: Received, ahead: Position, now_ms: int) -> Outgoing:
    """The letter of a record that was not handled, because one of its key that stands `ahead` was given up."""
    told = {
        _FIRST: BEHIND,
        "dead_service": service,
        "dead_attempts": "0",
        **_origin(record),
        "dead_time": str(now_ms),
        "dead_parks": "yes",
        "dead_behind": str(ahead),
    }
    return _with_headers(service, record, told)


def described(error: BaseException, *, with_traceback: bool) -> dict[str, str]:
    """An error in words that are short enough to be kept."""
    return {
        "dead_error": type(error).__qualname__,
        "dead_message": str(error)[:MESSAGE_CHARS_MAX],
        "dead_traceback": _last_lines(error) if with_traceback else "",
    }


def told_by(headers: Sequence[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """What a dead letter says of itself; empty if it is none."""
    added = list(headers or ())[_begin_of_added(headers) :]
    return {name: (value or b"").decode(errors="replace") for name, value in added}


def original(letter: Received) -> Received:
    """The record that was given up, as it was. Raises ValueError for what is no dead letter."""
    told = told_by(letter.headers)
    try:
        stream, partition, offset = told["dead_stream"], int(told["dead_partition"]), int(told["dead_offset"])
    except KeyError as missing:
        raise ValueError(f"it has no {missing.args[0]}") from None
    timestamp_ms = int(told.get("dead_timestamp") or letter.timestamp_ms)
    headers = list(letter.headers or ())[: _begin_of_added(letter.headers)]
    return Received(stream, partition, offset, timestamp_ms, letter.key, letter.value, headers or None)


def _begin_of_added(headers: Sequence[tuple[str, bytes | None]] | None) -> int:
    """Where our own headers begin: a dead letter may itself have been read by a service that gave it up."""
    names = [name for name, _ in headers or ()]
    return len(names) - 1 - names[::-1].index(_FIRST) if _FIRST in names else len(names)


def _origin(record: Received) -> dict[str, str]:
    return {
        "dead_stream": record.stream,
        "dead_partition": str(record.partition),
        "dead_offset": str(record.offset),
        "dead_timestamp": str(record.timestamp_ms),
    }


def _with_headers(service: str, record: Received, told: dict[str, str]) -> Outgoing:
    added: Headers = [(name, text.encode(errors="backslashreplace")) for name, text in told.items() if text]
    return Outgoing(dead_letters_of(service), record.key, record.value, [*(record.headers or ()), *added])


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]
