"""ConsumerGroupHeartbeat (KIP-848): joining, being alive, what a member reads and has, and leaving: all in one request.

- v1 adds regular expressions, and members choose their own ids (KIP-1082). In v0 an empty id is given one.
- Epoch 0 joins, a positive one is the member's own, -1 leaves, -2 is a static member's going away for a while.

What comes of it is in `consumer_step`. A classic group that its member joins is upgraded on the way (`upgrade`).
"""

from __future__ import annotations

from dataclasses import replace

from tidings.coordination.groups import upgrade
from tidings.coordination.groups.consumer.assignors import ASSIGNORS
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    STATIC_LEAVE_EPOCH,
    ConsumerMember,
    MemberState,
    partitions_of,
)
from tidings.coordination.groups.consumer_join import group_for, member_for
from tidings.coordination.groups.consumer_leave import leave
from tidings.coordination.groups.consumer_step import Step
from tidings.coordination.groups.consumer_timeouts import expect_heartbeat, expect_revocation
from tidings.coordination.groups.registry import Registry, check_group_id_length
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Record, Ticket
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

OWN_IDS_SINCE = 1
NOT_CHANGED = -1
MEMBER_ID_CHARS_MAX = 8191
"""In keys of records it has 32767 bytes, and a character may take four."""


def consumer_heartbeat(
    registry: Registry, request: ConsumerGroupHeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    try:
        _check(request, client.api_version)
        if request.member_epoch in (LEAVE_EPOCH, STATIC_LEAVE_EPOCH):
            outcome.records += leave(registry, request, now)
            reply = ConsumerGroupHeartbeatResponse(member_id=request.member_id, member_epoch=request.member_epoch)
        else:
            found = group_for(registry, request, now)
            reply = _Heartbeat(registry, found.group, request, client, now, found.records).reply()
            outcome.records += found.records
            if found.upgraded is not None:
                upgrade.turn_away(found.upgraded, outcome)
    except ApiError as error:
        reply = ConsumerGroupHeartbeatResponse(error_code=error.code, error_message=str(error))
    outcome.reply(ticket, reply)
    return outcome


def _check(request: ConsumerGroupHeartbeatRequest, api_version: int) -> None:
    """Whether the request makes sense at all. Raises ApiError."""
    epoch = request.member_epoch
    if (api_version >= OWN_IDS_SINCE or epoch != JOIN_EPOCH) and not request.member_id.strip():
        raise ApiError(ErrorCode.INVALID_REQUEST, "MemberId can't be empty.")
    for name, value in (
        ("GroupId", request.group_id),
        ("InstanceId", request.instance_id),
        ("RackId", request.rack_id),
    ):
        if value is not None and not value.strip():
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{name} can't be empty.")
    check_group_id_length(request.group_id)
    if len(request.member_id) > MEMBER_ID_CHARS_MAX:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"MemberId is longer than {MEMBER_ID_CHARS_MAX} characters.")
    if epoch == JOIN_EPOCH:
        _check_join(request)
    elif epoch == STATIC_LEAVE_EPOCH and request.instance_id is None:
        raise ApiError(ErrorCode.INVALID_REQUEST, "InstanceId can't be null.")
    elif epoch < STATIC_LEAVE_EPOCH:
        raise ApiError(ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid.")
    if request.server_assignor is not None and request.server_assignor not in ASSIGNORS:
        raise ApiError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. Supported assignors: {', '.join(ASSIGNORS)}.",
        )


def _check_join(request: ConsumerGroupHeartbeatRequest) -> None:
    if request.rebalance_timeout_ms == NOT_CHANGED:
        raise ApiError(ErrorCode.INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.")
    if request.topic_partitions is None or request.topic_partitions:
        raise ApiError(ErrorCode.INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.")
    if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        raise ApiError(
            ErrorCode.INVALID_REQUEST,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        )


class _Heartbeat:
    """One heartbeat of a member that stays. Decides on copies; `records` says what becomes of the group."""

    def __init__(
        self,
        registry: Registry,
        group: ConsumerGroup,
        request: ConsumerGroupHeartbeatRequest,
        client: ClientInfo,
        now: Now,
        records: list[Record],
    ) -> None:
        self.registry = registry
        self.group = group
        self.request = request
        self.client = client
        self.now = now
        self.step = Step(registry, group, client, now, records)

    def reply(self) -> ConsumerGroupHeartbeatResponse:
        reported = self.request.topic_partitions
        joined = member_for(self.registry, self.group, self.request)
        before = joined.member
        member = self.step.taken(
            joined,
            self._subscribed(before),
            None if reported is None else {t.topic_id: set(t.partitions) for t in reported},
        )
        self._set_timers(member)
        is_changed = partitions_of(member.assigned) != partitions_of(before.assigned)
        return ConsumerGroupHeartbeatResponse(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=self._interval_ms(member),
            assignment=_assignment(member) if is_changed or self._says_all else None,
        )

    def _subscribed(self, member: ConsumerMember) -> ConsumerMember:
        """With what the request says about it; what is not said has not changed."""
        request = self.request
        names = request.subscribed_topic_names
        return replace(
            member,
            instance_id=_or_as_before(request.instance_id, member.instance_id),
            rack_id=_or_as_before(request.rack_id, member.rack_id),
            client_id=self.client.client_id,
            client_host=self.client.host,
            topic_names=member.topic_names if names is None else frozenset(names),
            topic_regex=_or_as_before(request.subscribed_topic_regex, member.topic_regex),
            rebalance_timeout_ms=(
                member.rebalance_timeout_ms
                if request.rebalance_timeout_ms == NOT_CHANGED
                else request.rebalance_timeout_ms
            ),
            server_assignor=_or_as_before(request.server_assignor, member.server_assignor),
            classic=None,
        )

    def _set_timers(self, member: ConsumerMember) -> None:
        expect_heartbeat(self.registry, self.group.group_id, member, self.now.monotonic_ms)
        before = self.group.members.get(member.member_id)
        was_revoking = before is not None and before.state is MemberState.UNREVOKED_PARTITIONS
        is_same_step = before is not None and before.classic is None and before.revoking == member.revoking
        is_revoking = member.state is MemberState.UNREVOKED_PARTITIONS
        if is_revoking != was_revoking or not is_same_step:
            expect_revocation(self.registry, self.group.group_id, member, self.now.monotonic_ms)

    def _interval_ms(self, member: ConsumerMember) -> int:
        """When it is to be heard of next. While it waits for something, or others for it, sooner than else."""
        usual_ms = self.registry.consumer_heartbeat_interval_ms(self.group.group_id)
        is_resolved = not member.topic_regex or member.topic_regex in self.step.regexes
        if member.state is MemberState.STABLE and is_resolved:
            return usual_ms
        return min(usual_ms, self.registry.config.consumer_unsettled_heartbeat_interval_ms)

    @property
    def _says_all(self) -> bool:
        """It says everything when it joins, or has lost a reply: then it is told everything too."""
        request = self.request
        return request.member_epoch == JOIN_EPOCH or (
            request.rebalance_timeout_ms != NOT_CHANGED
            and (request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None)
            and request.topic_partitions is not None
        )


def _or_as_before(said: str | None, before: str | None) -> str | None:
    return before if said is None else said


def _assignment(member: ConsumerMember) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
            for topic_id, partitions in sorted(member.assigned.items())
            if partitions
        ]
    )
