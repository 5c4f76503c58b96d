"""How far a share group has come in one partition: a start offset, and what is known of some records behind it.

All before the start offset is done with. Of what is behind it, batches tell; a record that is in none was never handed
out. That a record is just being handled is not kept: who holds it has to be asked again after a restart.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

NO_OFFSET = -1
"""As a start offset: the group has come nowhere yet, and begins where `share.auto.offset.reset` says."""
NO_COUNT = -1
"""As a count of records that are done with: it is not known."""
NO_EPOCH = -1
"""As an epoch: whoever asks does not say in which he lives, and is not fenced."""


class DeliveryState(IntEnum):
    """What became of a record, numbered as Kafka's records number it (1, acquired, is not kept)."""

    AVAILABLE = 0
    """It was handed out, and is to be handed out again."""
    ACKNOWLEDGED = 2
    ARCHIVED = 4
    """It was rejected, or handed out too often, or is not there any more."""


class StateBatch(NamedTuple):
    """Neighbouring records to which the same has happened."""

    first_offset: int
    last_offset: int
    delivery_state: int
    """A DeliveryState."""
    delivery_count: int


class ShareState(NamedTuple):
    """`batches` are in order of their offsets, do not overlap, and none is before `start_offset`."""

    state_epoch: int
    """Rises when the state is begun anew; writers that have not noticed are fenced."""
    leader_epoch: int
    """Of the partition, when its leader last read the state; earlier leaders are fenced."""
    start_offset: int = NO_OFFSET
    delivery_complete_count: int = NO_COUNT
    """Of the records from `start_offset` on, how many are done with."""
    batches: tuple[StateBatch, ...] = ()


class Place(NamedTuple):
    """Whose state, and where."""

    group_id: str
    topic_id: bytes
    partition: int
