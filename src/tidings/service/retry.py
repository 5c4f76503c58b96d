"""How often a failing handler is tried again, and how long it waits in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tidings.errors import DeclarationError

JITTER = 0.25
"""The part of each wait that is left to chance, so that what failed together does not come back together."""


@dataclass(frozen=True)
class Retry:
    """`Retry(5, backoff="1s..5m")`: five attempts in all; the waits between them grow by one factor, from 1 s to 5 min.

    `on` names the exceptions worth another attempt; any other goes to the dead letters at once. A backoff of one
    duration ("2s") waits that long each time. An event that was given up parks its key: later ones of the key wait for
    somebody to decide about it, unless `park` is False. Raises DeclarationError for what makes no sense.
    """

    attempts: int = 5
    backoff: str = "200ms..30s"
    on: type[Exception] | tuple[type[Exception], ...] = Exception
    park: bool = True

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise DeclarationError(f"Retry({self.attempts}): there is at least one attempt")
        parse_backoff(self.backoff)

    def wait_s(self, attempts_made: int, error: Exception, chance: Callable[[], float]) -> float | None:
        """How long to wait after the last attempt failed with `error`; None when there is to be no other.

        `chance` gives a number from 0 up to 1.
        """
        if attempts_made >= self.attempts or not isinstance(error, self.on):
            return None
        first_s, last_s = parse_backoff(self.backoff)
        steps = self.attempts - 2
        growth = (last_s / first_s) ** ((attempts_made - 1) / steps) if steps > 0 and first_s > 0 else 1.0
        return first_s * growth * (1 - JITTER * chance())


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_backoff(text: str) -> tuple[float, float]:
    """The first and the last wait in seconds: of "1s..5m", or of "2s" (the same twice)."""
    first, is_range, last = text.partition("..")
    first_s = _parse_duration(first, text)
    last_s = _parse_duration(last, text) if is_range else first_s
    if last_s < first_s:
        raise DeclarationError(f"backoff {text!r} ends before it begins")
    return first_s, last_s


def _parse_duration(text: str, whole: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise DeclarationError(f'backoff {whole!r} is not understood; write "1s..5m", or "2s" (ms, s, m, h)')
    return float(match[1]) * _SECONDS[match[2]]
