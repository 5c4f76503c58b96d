"""ShareGroupDescribe (API key 77)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, STRING, UUID, Array, Message, Struct, field


class TopicPartitions(Struct):
    topic_id: bytes = field(UUID)
    topic_name: str = field(STRING)
    partitions: list[int] = field(Array(INT32))


class Assignment(Struct):
    topic_partitions: list[TopicPartitions] = field(Array(TopicPartitions))


class Member(Struct):
    member_id: str = field(STRING)
    rack_id: str | None = field(STRING, nullable_since=0, default=None)
    member_epoch: int = field(INT32)
    client_id: str = field(STRING)
    client_host: str = field(STRING)
    subscribed_topic_names: list[str] = field(Array(STRING))
    assignment: Assignment = field(Assignment)


class DescribedGroup(Struct):
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0, default=None)
    group_id: str = field(STRING)
    group_state: str = field(STRING)
    group_epoch: int = field(INT32)
    assignment_epoch: int = field(INT32)
    assignor_name: str = field(STRING)
    members: list[Member] = field(Array(Member))
    authorized_operations: int = field(INT32, default=-0x80000000)


class ShareGroupDescribeResponse(Message, versions=(1, 1), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    groups: list[DescribedGroup] = field(Array(DescribedGroup))


class ShareGroupDescribeRequest(
    Message, api_key=77, versions=(1, 1), flexible_since=0, response=ShareGroupDescribeResponse
):
    group_ids: list[str] = field(Array(STRING))
    include_authorized_operations: bool = field(BOOLEAN)
