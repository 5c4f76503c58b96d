"""Looking for garbage less often while very much is made that is none.

Python's collector looks again and again at what was made lately. Rows of a long catch-up live until they are written,
records in hand until what they led to is committed: it finds nothing, and takes as long as reading or handling them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_MAX = 20_000
"""How many objects are made before it looks at them; Python's own 700 are a few dozen records."""

_usual: list[tuple[int, int, int]] = []
"""What was set before; one for each who wants it otherwise."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """For the whole process: meant for a while. Several may want it at a time."""
    before = gc.get_threshold()
    _usual.append(before)
    if 0 < before[0] < YOUNG_MAX:
        gc.set_threshold(YOUNG_MAX, *before[1:])
    try:
        yield
    finally:
        if len(_usual) == 1:
            gc.set_threshold(*_usual[0])
            _usual.clear()
        else:
            _usual.pop()
