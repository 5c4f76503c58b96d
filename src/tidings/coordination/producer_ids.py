"""Producer ids: numbers given once and never again, so that an idempotent producer's batches are told from others'.

They are handed out from blocks. A block is claimed durably (ProducerIdsRecord, as in Kafka) before the first id of it
is given away; what is left of a block at a crash is never used. That costs one record per thousand producers.
"""

from __future__ import annotations

from typing import NamedTuple

BLOCK_IDS = 1000
"""Kafka's block size."""
PRODUCER_ID_MAX = 2**63 - 1


class Block(NamedTuple):
    """Ids `first` up to, but not including, `end`."""

    first: int
    end: int


class ProducerIds:
    """The pure part: which id comes next, and when another block has to be claimed."""

    def __init__(self, next_unclaimed: int = 0) -> None:
        """`next_unclaimed` is what the last ProducerIdsRecord says; 0 before there is one."""
        self._next_unclaimed = next_unclaimed
        self._next = 0
        self._end = 0

    @property
    def remaining(self) -> int:
        """Ids that may be given away without asking the log."""
        return self._end - self._next

    def wanted_block(self) -> Block:
        """The block to claim next."""
        return Block(self._next_unclaimed, min(self._next_unclaimed + BLOCK_IDS, PRODUCER_ID_MAX))

    def claimed(self, block: Block) -> None:
        """`block` is ours, durably. What remained of the one before is given up."""
        if not self._next_unclaimed <= block.first < block.end:
            raise ValueError(f"{block} was claimed before, or is empty")
        self._next = block.first
        self._end = self._next_unclaimed = block.end

    def take(self) -> int:
        """The next id. Raises LookupError when none remains."""
        if self._next == self._end:
            raise LookupError("no producer id remains; claim a block first")
        self._next += 1
        return self._next - 1
