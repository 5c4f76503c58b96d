"""ShareGroupHeartbeat (KIP-932): joining, being alive, what a member reads, and leaving: all in one request.

Epoch 0 joins, a positive one is the member's own, -1 leaves. A heartbeat raises the group's epoch if what is read, or
by whom, has changed; computes a new target then; and gives the member what it is to have, in one step.
"""

from __future__ import annotations

from dataclasses import replace

from tidings.coordination.groups.consumer.topics import metadata_hash
from tidings.coordination.groups.registry import SHARE_SESSION, Registry, check_group_id_length
from tidings.coordination.groups.share.assignor import assign
from tidings.coordination.groups.share.group import JOIN_EPOCH, LEAVE_EPOCH, Assigned, ShareGroup, ShareMember
from tidings.coordination.groups.share.records import (
    assignment_record,
    epoch_record,
    member_record,
    member_tombstones,
    target_epoch_record,
    target_record,
)
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Record, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.share_group_heartbeat import (
    Assignment,
    ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
    TopicPartitions,
)

MEMBER_ID_CHARS_MAX = 8191
FENCED_HINT = "The member must abandon all its partitions and rejoin."


def share_heartbeat(
    registry: Registry, request: ShareGroupHeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    try:
        _check(request)
        if request.member_epoch == LEAVE_EPOCH:
            outcome.records += _leave(registry, request)
            reply = ShareGroupHeartbeatResponse(member_id=request.member_id, member_epoch=LEAVE_EPOCH)
        else:
            reply, records = _beat(registry, request, client, now)
            outcome.records += records
    except ApiError as error:
        reply = ShareGroupHeartbeatResponse(error_code=error.code, error_message=str(error))
    outcome.reply(ticket, reply)
    return outcome


def topics_to_share(registry: Registry, request: ShareGroupHeartbeatRequest) -> frozenset[str]:
    """What the group reads with this heartbeat; nothing if it is refused, or a member leaves."""
    try:
        _check(request)
        if request.member_epoch == LEAVE_EPOCH:
            return frozenset()
        group = _group(registry, request)
        _member(registry, group, request)
    except ApiError:
        return frozenset()
    return group.topic_names.union(request.subscribed_topic_names or ())


def _check(request: ShareGroupHeartbeatRequest) -> None:
    """Whether the request makes sense at all. Raises ApiError."""
    for name, value in (("MemberId", request.member_id), ("GroupId", request.group_id), ("RackId", request.rack_id)):
        if value is not None and not value.strip():
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{name} can't be empty.")
    check_group_id_length(request.group_id)
    if len(request.member_id) > MEMBER_ID_CHARS_MAX:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"MemberId is longer than {MEMBER_ID_CHARS_MAX} characters.")
    if request.member_epoch < LEAVE_EPOCH:
        raise ApiError(ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid.")
    if request.member_epoch == JOIN_EPOCH and not request.subscribed_topic_names:
        raise ApiError(ErrorCode.INVALID_REQUEST, "SubscribedTopicNames must be set in first request.")


def _beat(
    registry: Registry, request: ShareGroupHeartbeatRequest, client: ClientInfo, now: Now
) -> tuple[ShareGroupHeartbeatResponse, list[Record]]:
    group = _group(registry, request)
    group_id = group.group_id
    before, is_new = _member(registry, group, request)
    names = request.subscribed_topic_names
    member = replace(
        before,
        rack_id=before.rack_id if request.rack_id is None else request.rack_id,
        client_id=client.client_id,
        client_host=client.host,
        topic_names=before.topic_names if names is None else frozenset(names),
    )
    records: list[Record] = []
    if is_new or member != before:
        records.append(member_record(group_id, member))
    members = {**group.members, member.member_id: member}
    epoch = _epoch(registry, group, members, is_new or member.topic_names != before.topic_names, records)
    target, target_epoch = group.targets.get(member.member_id, {}), group.target_epoch
    if epoch > group.target_epoch:
        computed = assign(members, registry.topics)
        changed = {at: each for at, each in computed.items() if group.targets.get(at) != each}
        records += [target_record(group_id, at, each) for at, each in changed.items()]
        records.append(target_epoch_record(group_id, epoch, now.wall_ms))
        target, target_epoch = computed[member.member_id], epoch
    if member.epoch != target_epoch or member.assigned != target:
        member = replace(member, epoch=target_epoch, previous_epoch=member.epoch, assigned=target)
        records.append(assignment_record(group_id, member))
    expect_heartbeat(registry, group_id, member.member_id, now.monotonic_ms)
    tells = member.assigned != before.assigned or request.member_epoch == JOIN_EPOCH or names is not None
    reply = ShareGroupHeartbeatResponse(
        member_id=member.member_id,
        member_epoch=member.epoch,
        heartbeat_interval_ms=registry.share_heartbeat_interval_ms(group_id),
        assignment=_told(member.assigned) if tells else None,
    )
    return reply, records


def _group(registry: Registry, request: ShareGroupHeartbeatRequest) -> ShareGroup:
    """Raises ApiError GROUP_ID_NOT_FOUND."""
    group_id = request.group_id
    if registry.has_other_than_share(group_id):
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a share group.")
    group = registry.share_groups.get(group_id)
    if group is None and request.member_epoch != JOIN_EPOCH:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Share group {group_id} not found.")
    return group or ShareGroup(group_id)


def _member(registry: Registry, group: ShareGroup, request: ShareGroupHeartbeatRequest) -> tuple[ShareMember, bool]:
    """The member as it was, and whether it is new. Raises ApiError for one that has no place here."""
    epoch = request.member_epoch
    if epoch == JOIN_EPOCH and request.member_id not in group.members:
        limit = registry.config.share_members_max
        if len(group.members) >= limit:
            message = f"The share group has reached its maximum capacity of {limit} members."
            raise ApiError(ErrorCode.GROUP_MAX_SIZE_REACHED, message)
        return ShareMember(request.member_id), True
    member = group.member(request.member_id)
    if epoch not in (JOIN_EPOCH, member.epoch, member.previous_epoch):
        relation, previous = "greater", ""
        if epoch < member.epoch:
            relation = "smaller"
            previous = f", and it does not match the previous member epoch ({member.previous_epoch})"
        raise ApiError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The share group member has a {relation} member epoch ({epoch}) than the one known by the group "
            f"coordinator ({member.epoch}){previous}. {FENCED_HINT}",
        )
    return member, False


def _epoch(
    registry: Registry, group: ShareGroup, members: dict[str, ShareMember], changes: bool, records: list[Record]
) -> int:
    """The group's epoch, raised if what is read, or by whom, has changed."""
    revision = registry.topics.revision
    if not changes and group.checked_revision == revision:
        return group.epoch
    names = frozenset[str]().union(*(member.topic_names for member in members.values()))
    digest = metadata_hash(names, registry.topics)
    if not changes and digest == group.metadata_hash:
        group.checked_revision = revision
        return group.epoch
    group.checked_revision = None
    records.append(epoch_record(group.group_id, group.epoch + 1, digest))
    return group.epoch + 1


def _leave(registry: Registry, request: ShareGroupHeartbeatRequest) -> list[Record]:
    group = registry.share_groups.get(request.group_id)
    if group is None:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Share group {request.group_id} not found.")
    return removed(registry, group, group.member(request.member_id))


def removed(registry: Registry, group: ShareGroup, member: ShareMember) -> list[Record]:
    """Take `member` out; what it read is shared out at the next heartbeat of another."""
    names = frozenset[str]().union(*(other.topic_names for other in group.members.values() if other is not member))
    return [
        *member_tombstones(group.group_id, member.member_id),
        epoch_record(group.group_id, group.epoch + 1, metadata_hash(names, registry.topics)),
    ]


def session_is_over(registry: Registry, group_id: str, member_id: str, now: Now) -> list[Record]:
    """No heartbeat has come for too long. Should the records fail to be written, it is tried again."""
    group = registry.share_groups.get(group_id)
    member = group.members.get(member_id) if group is not None else None
    if group is None or member is None:
        return []
    expect_heartbeat(registry, group_id, member_id, now.monotonic_ms)
    return removed(registry, group, member)


def expect_heartbeat(registry: Registry, group_id: str, member_id: str, monotonic_ms: int) -> None:
    deadline_ms = monotonic_ms + registry.share_session_timeout_ms(group_id)
    registry.timers.set((SHARE_SESSION, group_id, member_id), deadline_ms)


def start(registry: Registry, monotonic_ms: int) -> None:
    """After a restart everyone has its whole time again."""
    for group in registry.share_groups.values():
        for member_id in group.members:
            expect_heartbeat(registry, group.group_id, member_id, monotonic_ms)


def _told(assigned: Assigned) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
            for topic_id, partitions in sorted(assigned.items())
            if partitions
        ]
    )
