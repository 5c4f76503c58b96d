"""Offsets committed in transactions that are still open: they count when the transaction commits, and never otherwise.

Of two that meet at one partition, the one that is decided last counts: a plain commit at once, a transaction's when its
marker is written. (Apache Kafka goes by when they were sent, which only differs where two owners race.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tidings.coordination.groups.offsets import Committed


class Place(NamedTuple):
    """What an offset is committed for."""

    group_id: str
    topic: str
    partition: int


class PendingOffsets:
    """By producer id. Only `replay` of the coordinator changes it."""

    def __init__(self) -> None:
        self._by_producer: dict[int, dict[Place, Committed]] = {}
        self._places: Counter[Place] = Counter()
        self._groups: Counter[str] = Counter()

    def put(self, producer_id: int, place: Place, committed: Committed) -> None:
        pending = self._by_producer.setdefault(producer_id, {})
        if place not in pending:
            self._count(place, 1)
        pending[place] = committed

    def decided(self, producer_id: int) -> dict[Place, Committed]:
        """Its transaction is over: what it had pending is handed over, and no longer here."""
        pending = self._by_producer.pop(producer_id, {})
        for place in pending:
            self._count(place, -1)
        return pending

    def forget(self, place: Place) -> None:
        """Nobody is to commit this any more."""
        if place not in self._places:
            return
        for producer_id, pending in list(self._by_producer.items()):
            if pending.pop(place, None) is not None:
                self._count(place, -1)
                if not pending:
                    del self._by_producer[producer_id]

    def __contains__(self, place: Place) -> bool:
        return place in self._places

    def has_group(self, group_id: str) -> bool:
        return group_id in self._groups

    def __iter__(self) -> Iterator[Place]:
        return iter(list(self._places))

    def _count(self, place: Place, by: int) -> None:
        self._places[place] += by
        self._groups[place.group_id] += by
        if not self._places[place]:
            del self._places[place]
        if not self._groups[place.group_id]:
            del self._groups[place.group_id]
