"""Dead letters: what could not be handled, kept whole, with the reason and the way back.

Key, value and headers are those of the record, byte for byte; these headers are added behind them:

    dead_reason      undecodable | failed | refused
    dead_service     whose dead letter it is
    dead_handler     the handler that gave up; absent when none could begin
    dead_error       the type of the error
    dead_message     what it said
    dead_attempts    how often the handler was tried
    dead_traceback   its last lines
    dead_stream, dead_partition, dead_offset     where the record stands
    dead_time        when it was given up (milliseconds since the epoch)
"""

from __future__ import annotations

import traceback

from tidings.events.envelope import Headers
from tidings.service.transports.base import Outgoing, Received, StreamSpec

UNDECODABLE = "undecodable"
FAILED = "failed"
REFUSED = "refused"

MESSAGE_CHARS_MAX = 2_000
TRACEBACK_CHARS_MAX = 4_000
RECORD_BYTES_MAX = 4 * 1_048_576
"""More than streams take by default, so that the largest record still fits with its reason."""


def dead_letters_of(service: str) -> str:
    """The name of a service's dead-letter stream."""
    return f"{service}.dead-letters"


def is_dead_letters(stream: str) -> bool:
    return stream.endswith(".dead-letters")


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
) -> Outgoing:
    """The record as it is to be written to the dead-letter stream."""
    told = {
        "dead_reason": reason,
        "dead_service": service,
        "dead_handler": handler,
        "dead_error": type(error).__qualname__,
        "dead_message": str(error)[:MESSAGE_CHARS_MAX],
        "dead_attempts": str(attempts),
        "dead_traceback": _last_lines(error) if reason == FAILED else "",
        "dead_stream": record.stream,
        "dead_partition": str(record.partition),
        "dead_offset": str(record.offset),
        "dead_time": str(now_ms),
    }
    added: Headers = [(name, text.encode(errors="backslashreplace")) for name, text in told.items() if text]
    return Outgoing(dead_letters_of(service), record.key, record.value, [*(record.headers or ()), *added])


def _last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]
