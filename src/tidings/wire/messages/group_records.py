"""What the group coordinator writes to `__consumer_offsets`: keys and values in Kafka's own format."""

from __future__ import annotations

from tidings.wire.message import BYTES, INT32, INT64, STRING, UUID, Array, Message, Struct, field
from tidings.wire.primitives import Buffer


class OffsetCommitKey(Message, versions=(0, 0)):
    group: str = field(STRING)
    topic: str = field(STRING)
    partition: int = field(INT32)


class OffsetCommitValue(Message, versions=(0, 4), flexible_since=4):
    offset: int = field(INT64)
    leader_epoch: int = field(INT32, since=3, default=-1)
    metadata: str = field(STRING)
    commit_timestamp: int = field(INT64)
    expire_timestamp: int = field(INT64, since=1, until=1, default=-1)
    topic_id: bytes = field(UUID, since=4, tag=0)


class GroupMetadataKey(Message, versions=(0, 0)):
    group: str = field(STRING)


class MemberMetadata(Struct):
    member_id: str = field(STRING)
    group_instance_id: str | None = field(STRING, since=3, nullable_since=3, default=None)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    rebalance_timeout: int = field(INT32, since=1, default=-1)
    session_timeout: int = field(INT32)
    subscription: Buffer = field(BYTES)
    assignment: Buffer = field(BYTES)


class GroupMetadataValue(Message, versions=(0, 4), flexible_since=4):
    protocol_type: str = field(STRING)
    generation: int = field(INT32)
    protocol: str | None = field(STRING, nullable_since=0)
    leader: str | None = field(STRING, nullable_since=0)
    current_state_timestamp: int = field(INT64, since=2, default=-1)
    members: list[MemberMetadata] = field(Array(MemberMetadata))
