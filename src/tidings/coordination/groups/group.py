"""One classic group: its members, its generation, and the rules that need nothing but these.

What lasts is `recorded`, the last record of it in the log. The rest is what is going on: it is rebuilt from the record
at a restart, and the members settle anew what was not settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tidings.coordination.groups.embedded_protocol import subscribed_topics
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.states import Event, GroupState, next_state
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.group_records import GroupMetadataValue

CONSUMER_PROTOCOL_TYPE = "consumer"


@dataclass(slots=True)
class Forming:
    """The wait for more members before a group's first generation. See GroupConfig.initial_rebalance_delay_ms."""

    delay_ms: int
    remaining_ms: int
    more_came: bool = False


class Group:
    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.state_since_wall_ms = -1
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.generation = 0
        self.leader_id: str | None = None
        self.members: dict[str, Member] = {}
        self.static_ids: dict[str, str] = {}
        """The member id behind each group.instance.id."""
        self.pending_ids: set[str] = set()
        """Ids given away with MEMBER_ID_REQUIRED whose owners have not come back yet."""
        self.unsynced_ids: set[str] = set()
        """Members of the current generation that have not asked for their assignment."""
        self.forming: Forming | None = None
        self.subscribed: frozenset[str] | None = None
        """The topics its members read; None if that cannot be known."""
        self.recorded: bytes | None = None
        """The value of its last record, as it is in the log; None if it has none."""
        self._support: Counter[str] = Counter()

    # --- members ---

    def add(self, member: Member, protocol_type: str) -> None:
        if not self.members:
            self.protocol_type = protocol_type
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id
        self.members[member.member_id] = member
        self._support.update(member.protocols.keys())
        self.pending_ids.discard(member.member_id)
        if self.leader_id is None:
            self.leader_id = member.member_id

    def remove(self, member: Member) -> None:
        del self.members[member.member_id]
        self._support.subtract(member.protocols.keys())
        if member.instance_id is not None:
            del self.static_ids[member.instance_id]
        self.unsynced_ids.discard(member.member_id)
        if self.leader_id == member.member_id:
            self.leader_id = next(iter(self.members), None)

    def renew(self, old: Member, member_id: str) -> Member:
        """Let the static member `old` go on under a new id: whoever uses the old one is fenced from now on."""
        new = Member(
            member_id,
            old.instance_id,
            old.client_id,
            old.client_host,
            old.rebalance_timeout_ms,
            old.session_timeout_ms,
            old.protocols,
            old.assignment,
        )
        was_leader = self.leader_id == old.member_id
        was_unsynced = old.member_id in self.unsynced_ids
        self.members = {
            new.member_id if m is old else m.member_id: new if m is old else m for m in self.members.values()
        }
        if old.instance_id is not None:
            self.static_ids[old.instance_id] = member_id
        if was_unsynced:
            self.unsynced_ids.remove(old.member_id)
            self.unsynced_ids.add(member_id)
        if was_leader:
            self.leader_id = member_id
        return new

    def set_protocols(self, member: Member, protocols: dict[str, bytes]) -> None:
        self._support.subtract(member.protocols.keys())
        member.protocols = protocols
        self._support.update(protocols.keys())

    def known_member(self, member_id: str, instance_id: str | None) -> Member:
        """The member that signs its requests so. Raises ApiError UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID."""
        if instance_id is not None:
            current_id = self.static_ids.get(instance_id)
            if current_id is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            if current_id != member_id:
                raise ApiError(ErrorCode.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    @property
    def rebalance_timeout_ms(self) -> int:
        """The slowest member decides how long all wait."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def joining_count(self) -> int:
        return sum(member.joining is not None for member in self.members.values())

    @property
    def has_all_joined(self) -> bool:
        return not self.pending_ids and all(member.joining is not None for member in self.members.values())

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it or on the way in."""
        return self.state is GroupState.EMPTY and not self.members and not self.pending_ids

    def elect_leader(self) -> bool:
        """Keep the leader if it has joined, else let the first member lead that has; False if none has."""
        if self.leader_id is not None and self.members[self.leader_id].joining is not None:
            return True
        for member in self.members.values():
            if member.joining is not None:
                self.leader_id = member.member_id
                return True
        return False

    # --- protocols ---

    def can_follow(self, protocol_type: str, names: Collection[str], instead_of: Member | None) -> bool:
        """Whether a member that offers these, `instead_of` one it comes to replace, fits in with the others.

        Kafka also holds a member to what it offered before; here one that comes back with other settings is let in.
        """
        if self.state is GroupState.EMPTY:
            return bool(protocol_type and names)
        own = instead_of.protocols if instead_of is not None else {}
        others = len(self.members) - (instead_of is not None)
        return self.protocol_type == protocol_type and any(self._support[n] - (n in own) == others for n in names)

    def vote(self) -> str:
        """The protocol most members prefer among those all can follow; the first member breaks a tie."""
        votes: Counter[str] = Counter()
        for member in self.members.values():
            votes[next(name for name in member.protocols if self._support[name] == len(self.members))] += 1
        return votes.most_common(1)[0][0]

    def metadata_of(self, member: Member) -> bytes:
        return member.protocols.get(self.protocol_name or "", b"")

    @property
    def is_of_consumers(self) -> bool:
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def is_subscribed_to(self, topic: str) -> bool:
        """When in doubt, it is."""
        return self.is_of_consumers if self.subscribed is None else topic in self.subscribed

    # --- states ---

    def move(self, event: Event, wall_ms: int) -> None:
        self.state = next_state(self.state, event)
        self.state_since_wall_ms = wall_ms

    def begin_generation(self, wall_ms: int) -> None:
        """Those who are members now are the next generation."""
        self.generation += 1
        self.protocol_name = self.vote() if self.members else None
        self.unsynced_ids.clear()
        self._find_subscribed()
        self.move(Event.GENERATION if self.members else Event.DESERTED, wall_ms)

    def _find_subscribed(self) -> None:
        self.subscribed = None
        if self.is_of_consumers:
            self.subscribed = subscribed_topics(self.metadata_of(member) for member in self.members.values())

    def restore(self, value: GroupMetadataValue, raw: bytes) -> None:
        """Become what the record says. Requests that wait, and protocols beside the chosen one, are kept."""
        self.recorded = raw
        self.protocol_type = value.protocol_type or None
        self.protocol_name = value.protocol
        self.generation = value.generation
        self.leader_id = value.leader
        self.state_since_wall_ms = value.current_state_timestamp
        before, self.members, self.static_ids = self.members, {}, {}
        self._support.clear()
        for recorded in value.members:
            member = before.get(recorded.member_id) or Member(
                recorded.member_id,
                recorded.group_instance_id,
                recorded.client_id,
                recorded.client_host,
                recorded.session_timeout if recorded.rebalance_timeout < 0 else recorded.rebalance_timeout,
                recorded.session_timeout,
                {value.protocol or "": bytes(recorded.subscription)},
            )
            member.assignment = bytes(recorded.assignment)
            self.members[member.member_id] = member
            self._support.update(member.protocols.keys())
            if member.instance_id is not None:
                self.static_ids[member.instance_id] = member.member_id
        self._find_subscribed()
        self.state = GroupState.STABLE if self.members else GroupState.EMPTY
