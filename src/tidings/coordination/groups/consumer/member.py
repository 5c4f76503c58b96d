"""One member of a group of the consumer protocol. It never changes: a decision makes another, `replay` puts it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple, Self

JOIN_EPOCH = 0
LEAVE_EPOCH = -1
STATIC_LEAVE_EPOCH = -2
"""Of a static member that is away and means to come back: what it reads is kept for it until its session is over."""

Owned = Mapping[bytes, Mapping[int, int]]
"""Topic id to partition to the member's epoch when it was given it."""

Target = Mapping[bytes, frozenset[int]]
"""Topic id to the partitions a member is to have."""


class MemberState(IntEnum):
    """Numbered as Kafka's records number them."""

    STABLE = 0
    """It has what the target says, as of its epoch."""
    UNREVOKED_PARTITIONS = 1
    """It was told to give up partitions and has not said that it did. Its epoch waits for that."""
    UNRELEASED_PARTITIONS = 2
    """Partitions of its target still belong to others."""


class ClassicProtocols(NamedTuple):
    """What a member of the classic protocol said when it joined. It is in a group of the consumer protocol as a guest:
    others assign for it, and it is told so by the classic requests.

    `offered` holds, in the order of its preference, the assignors it knows and its metadata for each.
    """

    session_timeout_ms: int
    offered: tuple[tuple[str, bytes], ...]

    @property
    def name(self) -> str:
        """Of the protocol that it is told the group follows."""
        return self.offered[0][0]

    @property
    def metadata(self) -> bytes:
        return self.offered[0][1]


@dataclass(frozen=True, slots=True)
class ConsumerMember:
    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str | None = None
    rebalance_timeout_ms: int = -1
    server_assignor: str | None = None
    epoch: int = JOIN_EPOCH
    previous_epoch: int = JOIN_EPOCH
    """A reply may be lost: then the member goes on with the epoch it had."""
    state: MemberState = MemberState.STABLE
    assigned: Owned = field(default_factory=dict)
    revoking: Owned = field(default_factory=dict)
    """What it was told to give up, and has not yet."""
    classic: ClassicProtocols | None = None
    """None if it speaks the consumer protocol itself."""

    def at_epoch(self, epoch: int, state: MemberState, assigned: Owned, revoking: Owned | None = None) -> Self:
        return replace(
            self,
            epoch=epoch,
            previous_epoch=self.epoch,
            state=state,
            assigned=assigned,
            revoking={} if revoking is None else revoking,
        )

    def is_settled(self, target_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.epoch == target_epoch

    @property
    def is_away(self) -> bool:
        return self.epoch == STATIC_LEAVE_EPOCH

    def owned(self) -> Iterator[tuple[bytes, int]]:
        """Every partition that nobody else may have: those it reads, and those it may still read."""
        yield from each_partition(self.assigned)
        yield from each_partition(self.revoking)

    def assigned_at(self, topic_id: bytes, partition: int) -> int | None:
        """The epoch from which on it has had the partition; None if it does not have it."""
        for owned in (self.assigned, self.revoking):
            epoch = owned.get(topic_id, {}).get(partition)
            if epoch is not None:
                return epoch
        return None


def each_partition(owned: Mapping[bytes, Iterable[int]]) -> Iterator[tuple[bytes, int]]:
    for topic_id, partitions in owned.items():
        for partition in partitions:
            yield topic_id, partition


def partitions_of(owned: Mapping[bytes, Iterable[int]]) -> dict[bytes, set[int]]:
    """Without epochs, and without topics that have no partition in it."""
    found = {topic_id: set(partitions) for topic_id, partitions in owned.items()}
    return {topic_id: partitions for topic_id, partitions in found.items() if partitions}
