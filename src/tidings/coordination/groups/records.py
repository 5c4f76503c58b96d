"""The records of `__consumer_offsets`, in Kafka's own format: what a coordinator's state is made of.

A key begins with two bytes that say its kind: 0 and 1 a committed offset, 2 the metadata of a group. A value begins
with two bytes for its version; we write those that Kafka 4 writes, and read all. Those of the consumer protocol are in
`consumer.records`, those of share groups in `share.records`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeVar

from tidings.coordination.groups.consumer.records import CONSUMER_RECORDS
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.offsets import NO_EPOCH, NO_EXPIRY, Committed
from tidings.coordination.groups.share.records import SHARE_RECORDS
from tidings.coordination.outcome import Record
from tidings.errors import DiskError
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Message
from tidings.wire.messages.group_records import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from tidings.wire.primitives import MalformedError

OFFSET_KEY_KINDS = (0, 1)
GROUP_KEY_KIND = 2
GROUP_VALUE_VERSION = 3
OFFSET_VALUE_VERSION = 4
OFFSET_VALUE_VERSION_WITH_EXPIRY = 1
"""The one version that has room for a date of expiry; it has none for the leader epoch and the topic id."""

_PREFIX = struct.Struct(">h")
M = TypeVar("M", bound=Message)


class OffsetRecord(NamedTuple):
    group_id: str
    topic: str
    partition: int
    committed: Committed | None


class GroupRecord(NamedTuple):
    group_id: str
    metadata: GroupMetadataValue | None


class ConsumerGroupRecord(NamedTuple):
    """A record of a group of the consumer protocol: `said` of what is `at`, or no more."""

    group_id: str
    at: Message
    said: Message | None


class ShareGroupRecord(NamedTuple):
    """The same of a share group."""

    group_id: str
    at: Message
    said: Message | None


def offset_record(group_id: str, topic: str, partition: int, committed: Committed | None) -> Record:
    """`committed` None takes the offset back."""
    key = _pack(1, OffsetCommitKey(group=group_id, topic=topic, partition=partition), 0)
    if committed is None:
        return key, None
    version = OFFSET_VALUE_VERSION if committed.expires_wall_ms == NO_EXPIRY else OFFSET_VALUE_VERSION_WITH_EXPIRY
    value = OffsetCommitValue(
        offset=committed.offset,
        leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        commit_timestamp=committed.committed_wall_ms,
        expire_timestamp=committed.expires_wall_ms,
        topic_id=committed.topic_id,
    )
    return key, _pack(version, value, version)


def group_key(group_id: str) -> bytes:
    return _pack(GROUP_KEY_KIND, GroupMetadataKey(group=group_id), 0)


def group_record(group: Group, assignments: dict[str, bytes]) -> Record:
    """The group as it is now, with these assignments by member id."""
    value = GroupMetadataValue(
        protocol_type=group.protocol_type or "",
        generation=group.generation,
        protocol=group.protocol_name,
        leader=group.leader_id,
        current_state_timestamp=group.state_since_wall_ms,
        members=[_member(group, member, assignments) for member in group.members.values()],
    )
    return group_key(group.group_id), _pack(GROUP_VALUE_VERSION, value, GROUP_VALUE_VERSION)


def _member(group: Group, member: Member, assignments: dict[str, bytes]) -> MemberMetadata:
    return MemberMetadata(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        rebalance_timeout=member.rebalance_timeout_ms,
        session_timeout=member.session_timeout_ms,
        subscription=group.metadata_of(member),
        assignment=assignments.get(member.member_id, b""),
    )


AnyRecord = OffsetRecord | GroupRecord | ConsumerGroupRecord | ShareGroupRecord


def read_record(key: bytes, value: bytes | None) -> AnyRecord:
    """What a record says. Raises DiskError for one that this version of Tidings does not know.

    To skip it would be to lose it when the log is next rewritten.
    """
    try:
        kind = _PREFIX.unpack_from(key)[0]
        if kind in OFFSET_KEY_KINDS:
            at, _ = decode(OffsetCommitKey, 0, key, _PREFIX.size)
            return OffsetRecord(at.group, at.topic, at.partition, _committed(value))
        if kind == GROUP_KEY_KIND:
            group, _ = decode(GroupMetadataKey, 0, key, _PREFIX.size)
            return GroupRecord(group.group, None if value is None else _unpack(GroupMetadataValue, value))
        if kind in CONSUMER_RECORDS:
            return ConsumerGroupRecord(*CONSUMER_RECORDS.read(kind, key, value))
        if kind in SHARE_RECORDS:
            return ShareGroupRecord(*SHARE_RECORDS.read(kind, key, value))
    except (MalformedError, struct.error) as error:
        raise DiskError(f"a record of the group coordinator cannot be read: {error}") from error
    raise DiskError(f"the group coordinator's log has a record of kind {kind}: a newer version of Tidings wrote it")


def _committed(value: bytes | None) -> Committed | None:
    if value is None:
        return None
    said = _unpack(OffsetCommitValue, value)
    return Committed(
        said.offset,
        max(said.leader_epoch, NO_EPOCH),
        said.metadata,
        said.commit_timestamp,
        said.expire_timestamp,
        said.topic_id,
    )


def _pack(prefix: int, message: Message, version: int) -> bytes:
    return _PREFIX.pack(prefix) + encode_bytes(message, version)


def _unpack(cls: type[M], value: bytes) -> M:
    version = _PREFIX.unpack_from(value)[0]
    return decode(cls, version, value, _PREFIX.size)[0]
