"""Who looks on while events are handled: counters, spans and receipts, each only where it is wanted.

A service that nobody watches has no observer at all, and pays nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tidings.service.clock import Clock
from tidings.service.handled import Handled
from tidings.service.lanes import InHand
from tidings.service.operations.receipts import Receipts
from tidings.service.operations.tally import Tally
from tidings.service.operations.telemetry import Tracing
from tidings.service.transports.base import Outgoing

HANDLED = "handled"
RETRIED = "retried"
"""The attempt failed, and another will be made."""
FAILED = "failed"
"""It failed for the last time: a dead letter."""
CANCELLED = "cancelled"
"""The service stopped, or lost the partition, before it was over."""

Begun = tuple[float, int, Any]
"""An attempt that is under way: when it began, in seconds by a clock that only counts, and in milliseconds since the
epoch (0 where nobody asks); and its span."""


class Observer(Protocol):
    """Called on the event loop, in the task and the context that the handler runs in. Must not raise."""

    def began(self, current: Handled) -> Any:
        """A handler is about to be called. What this gives is given back to `ended`."""

    def ended(
        self,
        current: Handled,
        begun: Any,
        ending: str,
        outputs: Sequence[Outgoing] = (),
        error: BaseException | None = None,
    ) -> None:
        """The attempt is over; `outputs` is what it led to. If it failed, the item has counted it by now."""

    def buried(self, item: InHand, reason: str) -> None:
        """A dead letter was written for it."""

    def committed(self, records: int, seconds: float) -> None:
        """What was finished became durable: so many records were written with it, and it took so long."""


class Watch:
    """The observer of one service."""

    def __init__(
        self,
        clock: Clock,
        *,
        tally: Tally | None = None,
        tracing: Tracing | None = None,
        receipts: Receipts | None = None,
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._tally = tally
        self._tracing = tracing
        self._receipts = receipts
        self._seconds = seconds

    def began(self, current: Handled) -> Begun:
        at_ms = 0 if self._receipts is None else self._clock.now_ms()
        span = None if self._tracing is None else self._tracing.begin(current)
        return self._seconds(), at_ms, span

    def ended(
        self,
        current: Handled,
        begun: Begun,
        ending: str,
        outputs: Sequence[Outgoing] = (),
        error: BaseException | None = None,
    ) -> None:
        began_s, began_ms, span = begun
        if self._tally is not None:
            self._tally.ended(current.handler.name, ending, self._seconds() - began_s)
        if self._tracing is not None:
            self._tracing.end(span, error)
        if self._receipts is None:
            return
        if ending == RETRIED:
            self._receipts.keep_beginning(current, began_ms)
        elif ending != CANCELLED:
            attempts = current.item.attempts + (ending == HANDLED)
            current.item.outputs.append(
                self._receipts.receipt(
                    current, began_ms, self._clock.now_ms(), ending, attempts, [*outputs, *current.elsewhere]
                )
            )

    def buried(self, item: InHand, reason: str) -> None:
        if self._tally is not None:
            self._tally.buried(reason)

    def committed(self, records: int, seconds: float) -> None:
        if self._tally is not None:
            self._tally.committed(records, seconds)


def observer_of(clock: Clock, tally: Tally | None, tracing: Tracing | None, receipts: Receipts | None) -> Watch | None:
    """None where nobody looks on."""
    if tally is None and tracing is None and receipts is None:
        return None
    return Watch(clock, tally=tally, tracing=tracing, receipts=receipts)
