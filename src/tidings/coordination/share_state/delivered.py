"""How far share groups have come in a topic: store-backed streams keep what is not done with for every one of them."""

from __future__ import annotations

from collections.abc import Iterable

from tidings.coordination.share_state.state import NO_OFFSET, DeliveryState, Place, ShareState


def delivered_to(states: Iterable[tuple[Place, ShareState]], partitions: int) -> list[int | None]:
    """For each partition of a topic the offset before which every group is done; None where no group reads it.

    `states` are the topic's. A group that has begun nowhere yet is not done with anything.
    """
    reached: list[int | None] = [None] * partitions
    for place, state in states:
        if place.partition < partitions:
            offset, known = done_to(state), reached[place.partition]
            reached[place.partition] = offset if known is None else min(known, offset)
    return reached


def done_to(state: ShareState) -> int:
    """The first offset that the group is not done with. The start offset follows when something more is kept."""
    if state.start_offset == NO_OFFSET:
        return 0
    offset = state.start_offset
    for batch in state.batches:
        if batch.first_offset > offset or batch.delivery_state == DeliveryState.AVAILABLE:
            break
        offset = batch.last_offset + 1
    return offset
