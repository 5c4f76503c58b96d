"""What the share coordinator writes to `__share_group_state` (KIP-932): keys and values in Kafka's own format."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class ShareSnapshotKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)
    topic_id: bytes = field(UUID)
    partition: int = field(INT32)


class StateBatch(Struct):
    first_offset: int = field(INT64)
    last_offset: int = field(INT64)
    delivery_state: int = field(INT8)
    delivery_count: int = field(INT16)


class ShareSnapshotValue(Message, versions=(0, 0), flexible_since=0):
    snapshot_epoch: int = field(INT32)
    state_epoch: int = field(INT32)
    leader_epoch: int = field(INT32)
    start_offset: int = field(INT64)
    delivery_complete_count: int = field(INT32, tag=0, default=-1)
    create_timestamp: int = field(INT64)
    write_timestamp: int = field(INT64)
    state_batches: list[StateBatch] = field(Array(StateBatch))


class ShareUpdateKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)
    topic_id: bytes = field(UUID)
    partition: int = field(INT32)


class ShareUpdateValue(Message, versions=(0, 0), flexible_since=0):
    snapshot_epoch: int = field(INT32)
    leader_epoch: int = field(INT32)
    start_offset: int = field(INT64)
    delivery_complete_count: int = field(INT32, tag=0, default=-1)
    state_batches: list[StateBatch] = field(Array(StateBatch))
