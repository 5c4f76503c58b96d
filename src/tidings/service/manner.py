"""How a handler is called: an event at a time or many, in order or not, here or in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidings.errors import DeclarationError
from tidings.service.retry import parse_backoff

BATCH = 500
BATCH_MAX = 4096
"""As many as are ever in hand at a time."""
LINGER = "100ms"


@dataclass(frozen=True, slots=True)
class Manner:
    """What was said where the handler was declared; None where nothing was."""

    batch: int | None = None
    linger: str | None = None
    ordered: bool = True
    process: bool = False

    def sizes(self, name: str, *, many: bool) -> tuple[int, float]:
        """How many events a batch has at most, and the seconds that the first of them waits for others; 0 and 0 for
        a handler of one at a time. Raises DeclarationError for what makes no sense."""
        if not many:
            if self.batch is not None or self.linger is not None:
                raise DeclarationError(f"{name} takes one event at a time: batch= and linger= are for a Batch[…]")
            return 0, 0.0
        size = BATCH if self.batch is None else self.batch
        if not 1 <= size <= BATCH_MAX:
            raise DeclarationError(f"{name}: a batch has 1 to {BATCH_MAX} events, not {size}")
        linger = LINGER if self.linger is None else self.linger
        first_s, last_s = parse_backoff(linger)
        if ".." in linger or first_s != last_s:
            raise DeclarationError(f'{name}: linger={linger!r} is no duration; write "100ms", or "2s"')
        return size, first_s

    def check(self, name: str, function: Callable[..., Any], *, is_async: bool, injected: list[str]) -> None:
        """Whether a process of its own can have it. `injected`: what it is to be given that lives in this one.

        Raises DeclarationError.
        """
        if not self.process:
            return
        if is_async:
            raise DeclarationError(f"{name}: a handler in a process of its own calculates, and is no async function")
        if "<" in function.__qualname__ or "." in function.__qualname__:
            raise DeclarationError(
                f"{name}: a process of its own finds a handler by its name: define it at the top of its module"
            )
        if injected:
            raise DeclarationError(f"{name}: {', '.join(injected)} cannot be given to a process of its own")


PLAIN = Manner()
"""An event at a time, in order, in this process."""
