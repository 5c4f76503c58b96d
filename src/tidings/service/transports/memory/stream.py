"""A stream in memory: its partitions, what stands in them, and how far each can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidings.service.partitioner import partition_of
from tidings.service.transports.base import Received

if TYPE_CHECKING:
    from tidings.service.transports.memory.transactions import Transaction


class MemoryPartition:
    """Records in their order, each with the transaction it belongs to, if it does.

    What was aborted stays where it is and is passed over by readers. Where a transaction ended stands a marker, which
    takes an offset and which nobody is shown.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[Received | None, Transaction | None]] = []
        self._open: dict[Transaction, int] = {}  # with its first offset here; in the order of those

    @property
    def end(self) -> int:
        """The offset that comes next."""
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """Of everything before this offset it is known whether it counts: how far readers get (KIP-98)."""
        return next(iter(self._open.values()), self.end)

    def append(self, record: Received, transaction: Transaction | None) -> None:
        if transaction is not None:
            self._open.setdefault(transaction, self.end)
            transaction.enlist(self)
        self._entries.append((record, transaction))

    def ended(self, transaction: Transaction) -> None:
        """Its marker is written."""
        del self._open[transaction]
        self._entries.append((None, transaction))

    def readable(self, offset: int, records_max: int | None = None) -> tuple[list[Received], int]:
        """What can be read from `offset` on, and the offset that comes behind it."""
        found: list[Received] = []
        for at in range(offset, self.last_stable):
            if len(found) == records_max:
                return found, at
            record, transaction = self._entries[at]
            if record is not None and (transaction is None or transaction.is_committed):
                found.append(record)
        return found, max(offset, self.last_stable)

    def committed(self) -> list[Received]:
        """All records that count, also those behind one of which it is not known yet."""
        return [
            record
            for record, transaction in self._entries
            if record is not None and (transaction is None or transaction.is_committed)
        ]


@dataclass
class MemoryStream:
    id: str
    partitions: list[MemoryPartition]
    turn: int = 0
    """Records without a key go round."""

    def choose(self, key: bytes | None) -> int:
        """The partition of the next record with this key."""
        if key is not None:
            return partition_of(key, len(self.partitions))
        self.turn += 1
        return self.turn % len(self.partitions)
