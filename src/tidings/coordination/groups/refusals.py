"""The reply that refuses a whole request, for each API of the coordinator: for when its log cannot be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidings.coordination.groups import offset_fetch, replies
from tidings.coordination.groups.offsets import NO_OFFSET
from tidings.coordination.groups.transactional_commit import refused as txn_refused
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages import consumer_group_describe, share_group_describe
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse
from tidings.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from tidings.wire.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse
from tidings.wire.messages.join_group import JoinGroupRequest
from tidings.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from tidings.wire.messages.share_group_describe import ShareGroupDescribeRequest, ShareGroupDescribeResponse
from tidings.wire.messages.txn_offset_commit import TxnOffsetCommitRequest

Refusal = Callable[[Any, ErrorCode, int], Message]


def refusal(request: Message, code: ErrorCode, api_version: int) -> Message:
    """An answer to `request` that says nothing but `code`."""
    special = _SPECIAL.get(type(request))
    if special is not None:
        return special(request, code, api_version)
    return request.response(error_code=code)


def _join(request: JoinGroupRequest, code: ErrorCode, api_version: int) -> Message:
    return replies.not_joined(code, request.member_id, api_version)


def _leave(request: LeaveGroupRequest, code: ErrorCode, api_version: int) -> Message:
    return LeaveGroupResponse(error_code=code)


def _commit(request: OffsetCommitRequest, code: ErrorCode, api_version: int) -> Message:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _commit_transactional(request: TxnOffsetCommitRequest, code: ErrorCode, api_version: int) -> Message:
    return txn_refused(request, code)


def _fetch(request: OffsetFetchRequest, code: ErrorCode, api_version: int) -> Message:
    if api_version < offset_fetch.SEVERAL_GROUPS_SINCE:
        # Version 1 has room for errors with the partitions only.
        topics = [
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=code
                    )
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or ()
        ]
        return OffsetFetchResponse(error_code=code, topics=topics)
    return OffsetFetchResponse(
        groups=[OffsetFetchResponseGroup(group_id=group.group_id, error_code=code) for group in request.groups]
    )


def _describe(request: DescribeGroupsRequest, code: ErrorCode, api_version: int) -> Message:
    return DescribeGroupsResponse(
        groups=[DescribedGroup(group_id=group_id, error_code=code) for group_id in request.groups]
    )


def _describe_consumers(request: ConsumerGroupDescribeRequest, code: ErrorCode, api_version: int) -> Message:
    return ConsumerGroupDescribeResponse(
        groups=[consumer_group_describe.DescribedGroup(group_id=g, error_code=code) for g in request.group_ids]
    )


def _describe_shares(request: ShareGroupDescribeRequest, code: ErrorCode, api_version: int) -> Message:
    return ShareGroupDescribeResponse(
        groups=[share_group_describe.DescribedGroup(group_id=g, error_code=code) for g in request.group_ids]
    )


def _delete(request: DeleteGroupsRequest, code: ErrorCode, api_version: int) -> Message:
    return DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id=group_id, error_code=code) for group_id in request.groups_names]
    )


_SPECIAL: dict[type[Message], Refusal] = {
    JoinGroupRequest: _join,
    LeaveGroupRequest: _leave,
    OffsetCommitRequest: _commit,
    OffsetFetchRequest: _fetch,
    TxnOffsetCommitRequest: _commit_transactional,
    DescribeGroupsRequest: _describe,
    DeleteGroupsRequest: _delete,
    ConsumerGroupDescribeRequest: _describe_consumers,
    ShareGroupDescribeRequest: _describe_shares,
}
