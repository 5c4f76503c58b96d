"""The replies to members that wait, in the version each of them asked in."""

from __future__ import annotations

from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member, Waiting
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import Outcome
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from tidings.wire.messages.sync_group import SyncGroupResponse

MEMBER_ID_REQUIRED_SINCE = 4
NULLABLE_PROTOCOL_NAME_SINCE = 7


def joined(
    group: Group,
    member: Member,
    *,
    leader_id: str | None = None,
    with_members: bool | None = None,
    skip_assignment: bool = False,
) -> JoinGroupResponse:
    """The current generation, as `member` sees it: its leader also sees who the others are and what they want."""
    if with_members is None:
        with_members = group.leader_id == member.member_id
    return JoinGroupResponse(
        error_code=ErrorCode.NONE,
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name or "",
        leader=(group.leader_id if leader_id is None else leader_id) or "",
        skip_assignment=skip_assignment,
        member_id=member.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=other.member_id,
                group_instance_id=other.instance_id,
                metadata=group.metadata_of(other),
            )
            for other in (group.members.values() if with_members else ())
        ],
    )


def not_joined(code: ErrorCode, member_id: str, api_version: int) -> JoinGroupResponse:
    return JoinGroupResponse(
        error_code=code,
        member_id=member_id,
        protocol_name=None if api_version >= NULLABLE_PROTOCOL_NAME_SINCE else "",
    )


def synced(group: Group, assignment: bytes) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=ErrorCode.NONE,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        assignment=assignment,
    )


def not_synced(code: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=code)


def let_join(member: Member, message: JoinGroupResponse, outcome: Outcome) -> None:
    """Answer the member's JoinGroup, if one waits."""
    if member.joining is not None:
        outcome.reply(member.joining.ticket, message)
        member.joining = None


def refuse_join(member: Member, code: ErrorCode, member_id: str, outcome: Outcome) -> None:
    if member.joining is not None:
        let_join(member, not_joined(code, member_id, member.joining.api_version), outcome)


def let_sync(member: Member, message: SyncGroupResponse, outcome: Outcome) -> None:
    """Answer the member's SyncGroup, if one waits."""
    if member.syncing is not None:
        outcome.reply(member.syncing.ticket, message)
        member.syncing = None


def wait_to_join(group: Group, member: Member, waiting: Waiting, outcome: Outcome) -> None:
    """A member that asks again has given up on its earlier request; that one is answered too, so that none hangs."""
    refuse_join(member, ErrorCode.REBALANCE_IN_PROGRESS, member.member_id, outcome)
    if group.state is GroupState.PREPARING_REBALANCE and group.forming is not None and member.is_new:
        group.forming.more_came = True
    member.joining = waiting


def wait_to_sync(member: Member, waiting: Waiting, outcome: Outcome) -> None:
    let_sync(member, not_synced(ErrorCode.REBALANCE_IN_PROGRESS), outcome)
    member.syncing = waiting
