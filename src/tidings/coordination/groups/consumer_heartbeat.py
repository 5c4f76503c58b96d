"""ConsumerGroupHeartbeat (KIP-848): joining, being alive, what a member reads and has, and leaving: all in one request.

- v1 adds regular expressions, and members choose their own ids (KIP-1082). In v0 an empty id is given one.
- Epoch 0 joins, a positive one is the member's own, -1 leaves, -2 is a static member's going away for a while.

A heartbeat does three things, each only if there is cause: (1) the group's epoch rises if what is read, or by whom, has
changed; (2) a target assignment is computed if the group's epoch is beyond the last one's; (3) the member takes a step
towards its target.
"""

from __future__ import annotations

from dataclasses import replace

from tidings.coordination.groups.consumer.assignors import ASSIGNORS
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    STATIC_LEAVE_EPOCH,
    ConsumerMember,
    MemberState,
    Target,
    partitions_of,
)
from tidings.coordination.groups.consumer.reconcile import reconciled
from tidings.coordination.groups.consumer.records import (
    assignment_record,
    epoch_record,
    member_record,
    regex_record,
    regex_tombstone,
    target_epoch_record,
)
from tidings.coordination.groups.consumer.target import changed_targets, compute_targets
from tidings.coordination.groups.consumer.topics import Regexes, metadata_hash, resolve, resolve_all, subscribed_names
from tidings.coordination.groups.consumer_join import group_for, member_for
from tidings.coordination.groups.consumer_leave import leave
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
            group, records = group_for(registry, request)
            beat = _Heartbeat(registry, group, request, client, now, records)
            reply = beat.reply()
            outcome.records += records
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
        self.records = records
        self.epoch = group.epoch
        self.regexes: Regexes = group.regexes
        self.replaced_id: str | None = None

    def reply(self) -> ConsumerGroupHeartbeatResponse:
        joined = member_for(self.registry, self.group, self.request)
        self.records += joined.records
        before = joined.member
        member = self._subscribed(before)
        if member != before or joined.is_new or joined.replaced_id is not None:
            self.records.append(member_record(self.group.group_id, member))
        self.replaced_id = joined.replaced_id
        self._raise_epoch(before, member, joined.is_new)
        member = self._reconciled(member, *self._target(member))
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
        )

    def _members(self, member: ConsumerMember) -> dict[str, ConsumerMember]:
        """All of them, with `member` as it is now."""
        members = {k: m for k, m in self.group.members.items() if k != self.replaced_id}
        members[member.member_id] = member
        return members

    # --- 1: the group's epoch ---

    def _raise_epoch(self, before: ConsumerMember, member: ConsumerMember, is_new: bool) -> None:
        group, topics = self.group, self.registry.topics
        changes = is_new or (before.topic_names, before.topic_regex) != (member.topic_names, member.topic_regex)
        revision = topics.revision
        if not changes and group.checked_revision == revision:
            return
        members = self._members(member).values()
        self._resolve({m.topic_regex for m in members if m.topic_regex} - self._new_regex(before, member, is_new))
        names = frozenset[str]().union(*(subscribed_names(m, self.regexes) for m in members))
        digest = metadata_hash(names, topics)
        if changes or digest != group.metadata_hash or self.regexes != group.regexes:
            self.epoch += 1
            self.records.append(epoch_record(group.group_id, self.epoch, digest))
            group.checked_revision = None
        else:
            # Only now: had something changed, it might fail to be recorded, and would have to be found again.
            group.checked_revision = revision

    def _new_regex(self, before: ConsumerMember, member: ConsumerMember, is_new: bool) -> set[str]:
        """The expression that nobody has subscribed to before: it counts from the next heartbeat on, as in Kafka.

        Raises ApiError INVALID_REGULAR_EXPRESSION.
        """
        regex = member.topic_regex
        if not regex or not (is_new or regex != before.topic_regex) or regex in self.group.regexes:
            return set()
        resolve(regex, self.registry.topics, self.now.wall_ms, self.client.may_describe)
        return {regex} - {other.topic_regex for other in self.group.members.values() if other is not before}

    def _resolve(self, wanted: set[str]) -> None:
        group = self.group
        topics = self.registry.topics
        may_describe = self.client.may_describe
        self.regexes = resolve_all(sorted(wanted), group.regexes, topics, self.now.wall_ms, may_describe)
        for regex, resolved in self.regexes.items():
            if group.regexes.get(regex) is not resolved:
                self.records.append(regex_record(group.group_id, regex, resolved))
        gone = group.regexes.keys() - self.regexes.keys()
        self.records += [regex_tombstone(group.group_id, regex) for regex in sorted(gone)]

    # --- 2: the target assignment ---

    def _target(self, member: ConsumerMember) -> tuple[Target, int]:
        group = self.group
        targets = group.targets
        if self.replaced_id is not None and self.replaced_id in targets:
            targets = {member.member_id if k == self.replaced_id else k: t for k, t in targets.items()}
        if self.epoch <= group.target_epoch:
            return targets.get(member.member_id, {}), group.target_epoch
        computed = compute_targets(self._members(member), targets, self.regexes, self.registry.topics)
        self.records += changed_targets(group.group_id, targets, computed)
        self.records.append(target_epoch_record(group.group_id, self.epoch, self.now.wall_ms))
        return computed[member.member_id], self.epoch

    # --- 3: the member's step ---

    def _reconciled(self, member: ConsumerMember, target: Target, target_epoch: int) -> ConsumerMember:
        owners = self.group.owners
        not_others = (None, member.member_id, self.replaced_id)
        reported = self.request.topic_partitions
        after = reconciled(
            member,
            target,
            target_epoch,
            lambda partition: owners.get(partition) in not_others,
            None if reported is None else {t.topic_id: set(t.partitions) for t in reported},
        )
        if after is not member:
            self.records.append(assignment_record(self.group.group_id, after))
        return after

    def _set_timers(self, member: ConsumerMember) -> None:
        expect_heartbeat(self.registry, self.group.group_id, member.member_id, self.now.monotonic_ms)
        before = self.group.members.get(member.member_id)
        was_revoking = before is not None and before.state is MemberState.UNREVOKED_PARTITIONS
        is_same_step = before is not None and before.revoking == member.revoking
        is_revoking = member.state is MemberState.UNREVOKED_PARTITIONS
        if is_revoking != was_revoking or (is_revoking and not is_same_step):
            expect_revocation(self.registry, self.group.group_id, member, self.now.monotonic_ms)

    def _interval_ms(self, member: ConsumerMember) -> int:
        """When it is to be heard of next. While it waits for something, or others for it, sooner than else."""
        usual_ms = self.registry.consumer_heartbeat_interval_ms(self.group.group_id)
        is_resolved = not member.topic_regex or member.topic_regex in self.regexes
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
