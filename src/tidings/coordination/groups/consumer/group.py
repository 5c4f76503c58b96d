"""One group of the consumer protocol: what its records say, and what follows from that. Only `replay` changes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidings.coordination.groups.consumer.member import ConsumerMember, Target
from tidings.wire.error_codes import ApiError, ErrorCode

NO_ASSIGNMENT_EPOCH = -1


class ConsumerGroupState(StrEnum):
    """As ListGroups and ConsumerGroupDescribe tell them."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class ResolvedRegex:
    """The topics whose names match a regular expression, as of some state of the catalog."""

    topics: frozenset[str]
    version: int = 0
    wall_ms: int = 0


class ConsumerGroup:
    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = 0
        self.metadata_hash = 0
        """Of the topics it reads, as they were when its epoch last rose."""
        self.target_epoch = NO_ASSIGNMENT_EPOCH
        """The epoch for which the target assignment was computed."""
        self.target_wall_ms = 0
        self.members: dict[str, ConsumerMember] = {}
        self.static_ids: dict[str, str] = {}
        """The member id behind each instance id."""
        self.targets: dict[str, Target] = {}
        self.regexes: dict[str, ResolvedRegex] = {}
        self.owners: dict[tuple[bytes, int], str] = {}
        """Who has each partition, or may still read it."""
        self.checked_revision: int | None = None
        """Of the catalog: as of it, `metadata_hash` and `regexes` are known to be right. Not recorded."""

    # --- what changes, by replay ---

    def put(self, member: ConsumerMember) -> None:
        self._disown(self.members.get(member.member_id))
        self._release_instance_id(self.members.get(member.member_id))
        self.members[member.member_id] = member
        for partition in member.owned():
            self.owners[partition] = member.member_id
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id

    def remove(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        self._disown(member)
        self._release_instance_id(member)

    def _disown(self, member: ConsumerMember | None) -> None:
        if member is not None:
            for partition in member.owned():
                if self.owners.get(partition) == member.member_id:
                    del self.owners[partition]

    def _release_instance_id(self, member: ConsumerMember | None) -> None:
        instance_id = member.instance_id if member is not None else None
        if member is not None and instance_id is not None and self.static_ids.get(instance_id) == member.member_id:
            del self.static_ids[instance_id]

    # --- what follows ---

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.target_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_settled(self.target_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    def member(self, member_id: str, instance_id: str | None = None) -> ConsumerMember:
        """The member that signs its requests so. Raises ApiError UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID."""
        if instance_id is not None:
            current_id = self.static_ids.get(instance_id)
            if current_id is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
            if current_id != member_id:
                raise ApiError(
                    ErrorCode.FENCED_INSTANCE_ID,
                    f"Static member {member_id} with instance id {instance_id} was fenced by member {current_id}.",
                )
        found = self.members.get(member_id)
        if found is None:
            message = f"Member {member_id} is not a member of group {self.group_id}."
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, message)
        return found

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it."""
        return not self.members

    def is_subscribed_to(self, topic: str) -> bool:
        return any(topic in member.topic_names for member in self.members.values()) or any(
            topic in regex.topics for regex in self.regexes.values()
        )


def preferred_assignor(members: Iterable[ConsumerMember], default: str) -> str:
    """The one most members ask for; `default` if none asks."""
    votes = Counter(member.server_assignor for member in members if member.server_assignor is not None)
    best = votes.most_common(1)
    return str(best[0][0]) if best else default
