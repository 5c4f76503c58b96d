"""One share group: what its records say, and what follows from that. Only `replay` changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tidings.wire.error_codes import ApiError, ErrorCode

JOIN_EPOCH = 0
LEAVE_EPOCH = -1
NO_ASSIGNMENT_EPOCH = -1

Assigned = Mapping[bytes, frozenset[int]]
"""Topic id to partitions."""


class ShareGroupState(StrEnum):
    """As ListGroups and ShareGroupDescribe tell them."""

    EMPTY = "Empty"
    STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class ShareMember:
    member_id: str
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    epoch: int = JOIN_EPOCH
    previous_epoch: int = JOIN_EPOCH
    """A reply may be lost: then the member goes on with the epoch it had."""
    assigned: Assigned = field(default_factory=dict)


class ShareGroup:
    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = 0
        self.metadata_hash = 0
        """Of the topics it reads, as they were when its epoch last rose."""
        self.target_epoch = NO_ASSIGNMENT_EPOCH
        self.target_wall_ms = 0
        self.members: dict[str, ShareMember] = {}
        self.targets: dict[str, Assigned] = {}
        self.checked_revision: int | None = None
        """Of the catalog: as of it, `metadata_hash` is known to be right. Not recorded."""

    @property
    def state(self) -> ShareGroupState:
        return ShareGroupState.STABLE if self.members else ShareGroupState.EMPTY

    @property
    def topic_names(self) -> frozenset[str]:
        """What any of its members reads."""
        return frozenset[str]().union(*(member.topic_names for member in self.members.values()))

    def member(self, member_id: str) -> ShareMember:
        """Raises ApiError UNKNOWN_MEMBER_ID."""
        found = self.members.get(member_id)
        if found is None:
            message = f"Member {member_id} is not a member of group {self.group_id}."
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, message)
        return found
