"""All groups, their offsets and their timers: what every API of the group coordinator works on."""

from __future__ import annotations

from collections.abc import Callable

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.offsets import Offsets
from tidings.coordination.groups.pending_offsets import PendingOffsets
from tidings.coordination.groups.share.group import ShareGroup
from tidings.coordination.timers import Key, Timers
from tidings.coordination.topics import TopicDirectory
from tidings.wire.error_codes import ApiError, ErrorCode

GROUP_ID_CHARS_MAX = 8191
"""In Kafka's record of an offset a group id has 32767 bytes, and a character may take four."""

CLIENT_ID_CHARS_KEPT = 1000
"""Of a client's id in the ids of its members."""

SESSION = "session"
JOIN = "join"
SYNC = "sync"
RETENTION = "retention"
CONSUMER_SESSION = "consumer-session"
CONSUMER_REBALANCE = "consumer-rebalance"
DOWNGRADE = "downgrade"
LEADERLESS = "leaderless"
SHARE_SESSION = "share-session"


OwnSetting = Callable[[str, str], str | None]
"""Given a group's id and a setting's name (Kafka's), the group's own value; None if it has none of its own."""


def no_own_setting(group_id: str, name: str) -> str | None:
    return None


class Registry:
    def __init__(
        self,
        config: GroupConfig,
        new_id: Callable[[], str],
        topics: TopicDirectory,
        own_setting: OwnSetting = no_own_setting,
    ) -> None:
        self.config = config
        self._own_setting = own_setting
        self.new_id = new_id
        self.topics = topics
        self.groups: dict[str, Group] = {}
        """Those of the classic protocol, and those of which only offsets are known."""
        self.consumer_groups: dict[str, ConsumerGroup] = {}
        """Those of the consumer protocol (KIP-848)."""
        self.share_groups: dict[str, ShareGroup] = {}
        """Share groups (KIP-932). An id is in one of the three at most."""
        self.offsets = Offsets()
        self.pending = PendingOffsets()
        self.timers = Timers()

    def consumer_session_timeout_ms(self, group_id: str) -> int:
        own = self._own_setting(group_id, "consumer.session.timeout.ms")
        return self.config.consumer_session_timeout_ms if own is None else int(own)

    def consumer_heartbeat_interval_ms(self, group_id: str) -> int:
        own = self._own_setting(group_id, "consumer.heartbeat.interval.ms")
        return self.config.consumer_heartbeat_interval_ms if own is None else int(own)

    def share_session_timeout_ms(self, group_id: str) -> int:
        own = self._own_setting(group_id, "share.session.timeout.ms")
        return self.config.share_session_timeout_ms if own is None else int(own)

    def share_heartbeat_interval_ms(self, group_id: str) -> int:
        own = self._own_setting(group_id, "share.heartbeat.interval.ms")
        return self.config.share_heartbeat_interval_ms if own is None else int(own)

    def has_other_than_share(self, group_id: str) -> bool:
        """Whether there is a group of that id, of another protocol."""
        return group_id in self.groups or group_id in self.consumer_groups

    def check_not_shared(self, group_id: str) -> None:
        """Raises ApiError GROUP_ID_NOT_FOUND for a share group: it has no offsets, nor members of other protocols."""
        if group_id in self.share_groups:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")

    def new_member_id(self, client_id: str, instance_id: str | None) -> str:
        """For a member of the classic protocol: it says whose it is."""
        prefix = client_id[:CLIENT_ID_CHARS_KEPT] if instance_id is None else instance_id
        return f"{prefix}-{self.new_id()}"

    def group(self, group_id: str) -> Group:
        """Raises ApiError GROUP_ID_NOT_FOUND."""
        try:
            return self.groups[group_id]
        except KeyError:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.") from None

    def group_or_new(self, group_id: str) -> Group:
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = Group(group_id)
        return group

    def new_consumer_group(self, group_id: str) -> ConsumerGroup:
        """In the place of a group of which there is nothing but offsets, if there is one."""
        self.groups.pop(group_id, None)
        group = self.consumer_groups[group_id] = ConsumerGroup(group_id)
        return group

    def has_offsets(self, group_id: str) -> bool:
        """Whether offsets are committed, or about to be."""
        return group_id in self.offsets or self.pending.has_group(group_id)

    def forget_if_nothing(self, group: Group) -> None:
        """Drop a group of which nothing lasts and in which nothing goes on."""
        if group.is_idle and group.recorded is None and not self.has_offsets(group.group_id):
            self.groups.pop(group.group_id, None)

    def expect_heartbeat(self, group: Group, member: Member, now_ms: int) -> None:
        self.timers.set(session_key(group, member.member_id), now_ms + member.session_timeout_ms)

    def forget_heartbeat(self, group: Group, member_id: str) -> None:
        self.timers.cancel(session_key(group, member_id))


def session_key(group: Group, member_id: str) -> Key:
    return SESSION, group.group_id, member_id


def check_group_id(group_id: str) -> None:
    """Raises ApiError INVALID_GROUP_ID. To be a member, a group needs a name; offsets may be kept without one."""
    if not group_id:
        raise ApiError(ErrorCode.INVALID_GROUP_ID)
    check_group_id_length(group_id)


def check_group_id_length(group_id: str) -> None:
    if len(group_id) > GROUP_ID_CHARS_MAX:
        raise ApiError(ErrorCode.INVALID_GROUP_ID)
