"""Server-side assignors: who is to read what. Pure functions of the members' subscriptions and the topics.

- `uniform` (the default): every member as many partitions as any other, as far as subscriptions allow, and as few
  partitions as possible change hands.
- `range`: of each topic, neighbouring partitions for each member, so that members get the same partitions of topics
  that are partitioned alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tidings.coordination.groups.consumer.member import Target

UNIFORM = "uniform"
RANGE = "range"


class Subscriber(NamedTuple):
    """What an assignor needs to know of a member: which topics it reads, what it was to have so far."""

    topic_ids: frozenset[bytes]
    target: Target
    instance_id: str | None = None


Subscribers = Mapping[str, Subscriber]
PartitionCounts = Mapping[bytes, int]
"""How many partitions each topic that exists has."""
Assigned = dict[str, dict[bytes, set[int]]]
Assignor = Callable[[Subscribers, PartitionCounts], Assigned]


def assign_range(members: Subscribers, counts: PartitionCounts) -> Assigned:
    assigned: Assigned = {member_id: {} for member_id in members}
    in_order = sorted(members, key=lambda member_id: _place_in_line(member_id, members[member_id]))
    for topic_id, count in counts.items():
        readers = [member_id for member_id in in_order if topic_id in members[member_id].topic_ids]
        if not readers:
            continue
        share, extra = divmod(count, len(readers))
        start = 0
        for place, member_id in enumerate(readers):
            end = start + share + (place < extra)
            if end > start:
                assigned[member_id][topic_id] = set(range(start, end))
            start = end
    return assigned


def _place_in_line(member_id: str, member: Subscriber) -> tuple[bool, str]:
    """A static member keeps its place when it comes back under another id."""
    return member.instance_id is None, member_id if member.instance_id is None else member.instance_id


def assign_uniform(members: Subscribers, counts: PartitionCounts) -> Assigned:
    """Everyone keeps what it may keep; the rest goes to those with least; then who has too much gives some away."""
    if not members:
        return {}
    balance = _Balance(members, counts)
    if len({member.topic_ids for member in members.values()}) == 1:
        balance.cut_to_quota()
    balance.hand_out()
    balance.even_out()
    return balance.assigned


class _Balance:
    def __init__(self, members: Subscribers, counts: PartitionCounts) -> None:
        self.members = members
        self.readers: dict[bytes, list[str]] = defaultdict(list)
        for member_id in sorted(members):
            for topic_id in members[member_id].topic_ids:
                if topic_id in counts:
                    self.readers[topic_id].append(member_id)
        self.unassigned = {topic_id: dict.fromkeys(range(counts[topic_id])) for topic_id in sorted(self.readers)}
        self.assigned: Assigned = {member_id: {} for member_id in members}
        self.load = dict.fromkeys(members, 0)
        for member_id, member in members.items():
            for topic_id, partition in self._keepable(member):
                del self.unassigned[topic_id][partition]
                self._give(member_id, topic_id, partition)

    def _keepable(self, member: Subscriber) -> Iterator[tuple[bytes, int]]:
        for topic_id, partitions in member.target.items():
            if topic_id in member.topic_ids and topic_id in self.unassigned:
                free = self.unassigned[topic_id]
                yield from [(topic_id, partition) for partition in sorted(partitions) if partition in free]

    def _give(self, member_id: str, topic_id: bytes, partition: int) -> None:
        self.assigned[member_id].setdefault(topic_id, set()).add(partition)
        self.load[member_id] += 1

    def _take(self, member_id: str, topic_id: bytes) -> int:
        partitions = self.assigned[member_id][topic_id]
        partition = max(partitions)
        partitions.remove(partition)
        if not partitions:
            del self.assigned[member_id][topic_id]
        self.load[member_id] -= 1
        return partition

    def cut_to_quota(self) -> None:
        """When all read the same, everyone's share is known: what exceeds it is given up at once."""
        total = sum(self.load.values()) + sum(map(len, self.unassigned.values()))
        share, extra = divmod(total, len(self.members))
        for member_id in sorted(self.members, key=lambda m: (-self.load[m], m)):
            quota = share
            if extra and self.load[member_id] > share:
                quota, extra = share + 1, extra - 1
            while self.load[member_id] > quota:
                topic_id = max(self.assigned[member_id], key=lambda t: (len(self.assigned[member_id][t]), t))
                self.unassigned[topic_id][self._take(member_id, topic_id)] = None

    def hand_out(self) -> None:
        """Topics with few readers first: their partitions have the least choice."""
        for topic_id in sorted(self.unassigned, key=lambda t: (len(self.readers[t]), t)):
            if free := sorted(self.unassigned[topic_id]):
                self._hand_out(topic_id, free)

    def _hand_out(self, topic_id: bytes, free: list[int]) -> None:
        """Raise those with the least to the level of the next, and so on, a partition each in turn."""
        line = sorted(self.readers[topic_id], key=lambda m: (self.load[m], m))
        given = 0
        while given < len(free):
            level = self.load[line[0]]
            for member_id in line:
                if given == len(free) or self.load[member_id] > level:
                    break
                self._give(member_id, topic_id, free[given])
                given += 1

    def even_out(self) -> None:
        """Move single partitions while that brings two members closer; each move makes the whole more even."""
        moved = True
        while moved:
            moved = False
            least = {topic_id: min(self.load[m] for m in readers) for topic_id, readers in self.readers.items()}
            for member_id in sorted(self.members, key=lambda m: (-self.load[m], m)):
                for topic_id in sorted(self.assigned[member_id]):
                    if self.load[member_id] > least[topic_id] + 1:
                        moved |= self._move_one(member_id, topic_id)

    def _move_one(self, member_id: str, topic_id: bytes) -> bool:
        """The least may have become more since it was looked at: then nothing moves, and the next round looks again."""
        to = min(self.readers[topic_id], key=lambda m: (self.load[m], m))
        if self.load[member_id] <= self.load[to] + 1:
            return False
        self._give(to, topic_id, self._take(member_id, topic_id))
        return True


ASSIGNORS: dict[str, Assignor] = {UNIFORM: assign_uniform, RANGE: assign_range}
