"""What the group coordinator writes to `__consumer_offsets` for share groups (KIP-932)."""

from __future__ import annotations

from tidings.wire.message import INT8, INT32, INT64, STRING, UUID, Array, Message, Struct, field


class ShareGroupMemberMetadataKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)
    member_id: str = field(STRING)


class ShareGroupMemberMetadataValue(Message, versions=(0, 0), flexible_since=0):
    rack_id: str | None = field(STRING, nullable_since=0)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    subscribed_topic_names: list[str] = field(Array(STRING))


class ShareGroupMetadataKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)


class ShareGroupMetadataValue(Message, versions=(0, 0), flexible_since=0):
    epoch: int = field(INT32)
    metadata_hash: int = field(INT64)


class ShareGroupTargetAssignmentMetadataKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)


class ShareGroupTargetAssignmentMetadataValue(Message, versions=(0, 0), flexible_since=0):
    assignment_epoch: int = field(INT32)
    assignment_timestamp: int = field(INT64, tag=0)


class ShareGroupTargetAssignmentMemberKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)
    member_id: str = field(STRING)


class TopicPartition(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[int] = field(Array(INT32))


class ShareGroupTargetAssignmentMemberValue(Message, versions=(0, 0), flexible_since=0):
    topic_partitions: list[TopicPartition] = field(Array(TopicPartition))


class ShareGroupCurrentMemberAssignmentKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)
    member_id: str = field(STRING)


class TopicPartitions(Struct):
    topic_id: bytes = field(UUID)
    partitions: list[int] = field(Array(INT32))


class ShareGroupCurrentMemberAssignmentValue(Message, versions=(0, 0), flexible_since=0):
    member_epoch: int = field(INT32)
    previous_member_epoch: int = field(INT32)
    state: int = field(INT8)
    assigned_partitions: list[TopicPartitions] = field(Array(TopicPartitions))


class ShareGroupStatePartitionMetadataKey(Message, versions=(0, 0)):
    group_id: str = field(STRING)


class TopicPartitionsInfo(Struct):
    topic_id: bytes = field(UUID)
    topic_name: str = field(STRING)
    partitions: list[int] = field(Array(INT32))


class TopicInfo(Struct):
    topic_id: bytes = field(UUID)
    topic_name: str = field(STRING)


class ShareGroupStatePartitionMetadataValue(Message, versions=(0, 0), flexible_since=0):
    initializing_topics: list[TopicPartitionsInfo] = field(Array(TopicPartitionsInfo))
    initialized_topics: list[TopicPartitionsInfo] = field(Array(TopicPartitionsInfo))
    deleting_topics: list[TopicInfo] = field(Array(TopicInfo))
