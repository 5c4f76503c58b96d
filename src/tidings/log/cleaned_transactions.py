"""What compaction has to know of transactions (KIP-98): all of them are decided where it works.

What an aborted transaction wrote goes, and never counts as a key's latest. A marker stays as long as anything of its
transaction does; then it is of no use, and goes as tombstones do: `delete.retention.ms` after it was found so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from tidings.log.aborted import AbortedTxn
from tidings.wire.records import BatchHeader


class CleanedTransactions:
    """Told of every transactional batch of a stretch, in order. `aborted` are those that reach into it."""

    def __init__(self, aborted: Iterable[AbortedTxn]) -> None:
        self._aborted: dict[int, list[AbortedTxn]] = {}
        for txn in aborted:
            self._aborted.setdefault(txn.producer_id, []).append(txn)
        self._found: set[int] = set()  # producers of whose current transaction something was found

    def is_aborted(self, header: BatchHeader) -> bool:
        """Whether a data batch is of a transaction that was aborted."""
        if not header.is_transactional:
            return False
        self._found.add(header.producer_id)
        known = self._aborted.get(header.producer_id, [])
        at = bisect_right(known, header.base_offset, key=_last_offset)
        return at < len(known) and known[at].first_offset <= header.base_offset

    def marks_nothing(self, header: BatchHeader) -> bool:
        """Whether of the transaction that a marker ends nothing was found."""
        if header.producer_id not in self._found:
            return True
        self._found.remove(header.producer_id)
        return False


def _last_offset(txn: AbortedTxn) -> int:
    return txn.last_offset
