"""Laying one set of batches over another. Of two that speak of the same record, the one that has seen more is right."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from tidings.coordination.share_state.state import StateBatch


def combined(batches: Iterable[StateBatch], start_offset: int) -> tuple[StateBatch, ...]:
    """The batches as a sequence in which none overlap, and neighbours differ, without what is before `start_offset`.

    A record handed out more often has seen more; of two equals, the state with the greater number comes later.
    """
    waiting = sorted(
        batch._replace(first_offset=max(batch.first_offset, start_offset))
        for batch in batches
        if batch.last_offset >= max(start_offset, batch.first_offset)
    )
    laid: list[StateBatch] = []
    here: list[tuple[int, int, int]] = []  # all that speak of `offset`, the one that is right first
    taken = offset = 0
    while taken < len(waiting) or here:
        if not here:
            offset = waiting[taken].first_offset
        while taken < len(waiting) and waiting[taken].first_offset <= offset:
            batch = waiting[taken]
            heappush(here, (-batch.delivery_count, -batch.delivery_state, batch.last_offset))
            taken += 1
        count, state, last_offset = here[0]
        if last_offset < offset:
            heappop(here)
            continue
        if taken < len(waiting):
            last_offset = min(last_offset, waiting[taken].first_offset - 1)
        _lay(laid, StateBatch(offset, last_offset, -state, -count))
        offset = last_offset + 1
    return tuple(laid)


def _lay(laid: list[StateBatch], batch: StateBatch) -> None:
    """Put `batch` behind the others, or let the last one reach that far if it says the same."""
    if laid and laid[-1].last_offset + 1 == batch.first_offset and laid[-1][2:] == batch[2:]:
        laid[-1] = laid[-1]._replace(last_offset=batch.last_offset)
    else:
        laid.append(batch)
