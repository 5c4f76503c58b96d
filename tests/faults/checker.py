"""What a full read must show after faults, given what was sent and what was acknowledged.

A record is known by its key and its sequence (the how-many-th of that key it is). One that was sent and never
answered may be there or not: but once, and in its place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Stored(NamedTuple):
    """A record at its place: as acknowledged, or as read."""

    partition: int
    offset: int
    key: str
    sequence: int


class Id(NamedTuple):
    key: str
    sequence: int


@dataclass(frozen=True)
class Verdict:
    lost: list[Stored] = field(default_factory=list)  # acknowledged and not read
    moved: list[Stored] = field(default_factory=list)  # acknowledged at another place than where it was read
    duplicated: list[Id] = field(default_factory=list)  # read more than once
    reordered: list[Stored] = field(default_factory=list)  # read behind a later one of its key
    invented: list[Stored] = field(default_factory=list)  # read and never sent

    @property
    def good(self) -> bool:
        return not (self.lost or self.moved or self.duplicated or self.reordered or self.invented)

    def __str__(self) -> str:
        found = {name: len(records) for name, records in vars(self).items() if records}
        first = {name: records[0] for name, records in vars(self).items() if records}
        return (
            f"{found}, the first of each: {first}" if found else "nothing lost, doubled, moved, reordered or invented"
        )


def check(*, sent: Iterable[Id], acknowledged: Iterable[Stored], read: Iterable[Stored]) -> Verdict:
    """`read` is everything there is, each partition in order of its offsets."""
    read = list(read)
    sent = set(sent)
    times = Counter(Id(r.key, r.sequence) for r in read)
    places = defaultdict(set)
    for record in read:
        places[Id(record.key, record.sequence)].add((record.partition, record.offset))
    lost, moved = [], []
    for record in acknowledged:
        found = places.get(Id(record.key, record.sequence))
        if found is None:
            lost.append(record)
        elif (record.partition, record.offset) not in found:
            moved.append(record)
    return Verdict(
        lost=lost,
        moved=moved,
        duplicated=[id_ for id_, count in times.items() if count > 1],
        reordered=_reordered(read),
        invented=[r for r in read if Id(r.key, r.sequence) not in sent],
    )


def _reordered(read: list[Stored]) -> list[Stored]:
    """Records that come behind a later one of their key. A second copy is a duplicate, and not counted here again."""
    latest: dict[str, int] = {}
    found = []
    for record in read:
        if record.sequence < latest.get(record.key, -1):
            found.append(record)
        latest[record.key] = max(record.sequence, latest.get(record.key, -1))
    return found
