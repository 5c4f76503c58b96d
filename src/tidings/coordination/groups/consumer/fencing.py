"""Whether a member of a consumer group may commit or fetch offsets: its epoch has to be right.

A commit may come with an older epoch than the member has by now, since it is sent while heartbeats go on. It counts for
the partitions the member had at that epoch already and has had since (KIP-1251). A member of the classic protocol has
no heartbeats that go on while it rebalances: its generation is its epoch, and has to be the one it has.
"""

from __future__ import annotations

from typing import NamedTuple

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ConsumerMember
from tidings.wire.error_codes import ApiError, ErrorCode

NO_EPOCH = -1
MEMBER_EPOCHS_SINCE = 9
"""The first version of OffsetCommit that knows of member epochs."""


class CommitFence(NamedTuple):
    """What of a commit is let through. `member` is None if nobody is in the group: then anyone may commit."""

    member: ConsumerMember | None
    epoch: int

    def error(self, topic_id: bytes, partition: int) -> ErrorCode:
        if self.member is None or self.epoch == self.member.epoch:
            return ErrorCode.NONE
        if self.member.classic is not None:
            return ErrorCode.ILLEGAL_GENERATION
        since = self.member.assigned_at(topic_id, partition)
        if self.epoch > self.member.epoch or since is None or since > self.epoch:
            return ErrorCode.STALE_MEMBER_EPOCH
        return ErrorCode.NONE


def commit_fence(group: ConsumerGroup, member_id: str, epoch: int, api_version: int) -> CommitFence:
    """Raises ApiError UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION."""
    if epoch <= NO_EPOCH and not group.members:
        return CommitFence(None, epoch)
    member = group.member(member_id)
    if api_version < MEMBER_EPOCHS_SINCE and member.classic is None:
        message = "OffsetCommit version 9 or above must be used by members using the consumer group protocol"
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, message)
    return CommitFence(member, epoch)


def check_fetch(group: ConsumerGroup, member_id: str | None, epoch: int) -> None:
    """Raises ApiError UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, and to members of the classic protocol ILLEGAL_GENERATION.

    Who says no id is no member, and may look.
    """
    if member_id is None and epoch <= NO_EPOCH:
        return
    member = group.member(member_id or "")
    if epoch != member.epoch:
        raise ApiError(ErrorCode.STALE_MEMBER_EPOCH if member.classic is None else ErrorCode.ILLEGAL_GENERATION)
