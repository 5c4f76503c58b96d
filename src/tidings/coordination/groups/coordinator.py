"""The group coordinator: the state machine as a whole.

Each API has a file of its own here and one line below. What is common to all: a decision is a function of the state,
the request and the time; it gives back an `Outcome` and changes only what is going on (who joins, who waits,
deadlines). What lasts, committed offsets and the record of a group at rest, changes in `replay` alone: right after the
decision was appended to the log, and in the same way when the log is read again after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tidings.coordination.groups import (
    consumer_leave,
    consumer_timeouts,
    delete,
    describe,
    downgrade,
    rebalance,
    share_heartbeat,
)
from tidings.coordination.groups.clock_jumps import ClockJumps
from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.consumer import records as consumer_records
from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer_describe import describe_consumer_groups
from tidings.coordination.groups.consumer_heartbeat import consumer_heartbeat
from tidings.coordination.groups.delivered import delivered_to
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.heartbeat import heartbeat
from tidings.coordination.groups.join import join
from tidings.coordination.groups.leave import leave
from tidings.coordination.groups.offset_commit import commit_offsets
from tidings.coordination.groups.offset_delete import delete_offsets
from tidings.coordination.groups.offset_fetch import fetch_offsets
from tidings.coordination.groups.pending_offsets import Place
from tidings.coordination.groups.records import (
    ConsumerGroupRecord,
    GroupRecord,
    OffsetRecord,
    ShareGroupRecord,
    group_key,
    offset_record,
    read_record,
)
from tidings.coordination.groups.registry import (
    CONSUMER_REBALANCE,
    CONSUMER_SESSION,
    DOWNGRADE,
    JOIN,
    LEADERLESS,
    RETENTION,
    SESSION,
    SHARE_SESSION,
    SYNC,
    OwnSetting,
    Registry,
    no_own_setting,
)
from tidings.coordination.groups.share import records as share_records
from tidings.coordination.groups.share.group import ShareGroup
from tidings.coordination.groups.share_describe import describe_share_groups
from tidings.coordination.groups.states import Event, GroupState
from tidings.coordination.groups.sync import sync
from tidings.coordination.groups.transactional_commit import commit_transactional
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Producer, Ticket
from tidings.coordination.timers import Key
from tidings.coordination.topics import TopicDirectory
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from tidings.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from tidings.wire.messages.consumer_group_records import ConsumerGroupMetadataKey
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.describe_groups import DescribeGroupsRequest
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.join_group import JoinGroupRequest
from tidings.wire.messages.leave_group import LeaveGroupRequest
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.offset_commit import OffsetCommitRequest
from tidings.wire.messages.offset_delete import OffsetDeleteRequest
from tidings.wire.messages.offset_fetch import OffsetFetchRequest
from tidings.wire.messages.share_group_describe import ShareGroupDescribeRequest
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tidings.wire.messages.share_group_records import ShareGroupMetadataKey
from tidings.wire.messages.sync_group import SyncGroupRequest
from tidings.wire.messages.txn_offset_commit import TxnOffsetCommitRequest


class GroupCoordinator:
    """`new_id` makes the unique part of a member id, `own_setting` tells what is set for a single group.

    See `outcome` for what the caller owes.
    """

    def __init__(
        self,
        *,
        config: GroupConfig,
        new_id: Callable[[], str],
        topics: TopicDirectory,
        own_setting: OwnSetting = no_own_setting,
    ) -> None:
        self._registry = Registry(config, new_id, topics, own_setting)
        self._clock_jumps = ClockJumps()

    # --- requests ---

    def join(self, request: JoinGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return join(self._registry, request, client, now, ticket)

    def sync(self, request: SyncGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return sync(self._registry, request, client, now, ticket)

    def heartbeat(self, request: HeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return heartbeat(self._registry, request, client, now, ticket)

    def leave(self, request: LeaveGroupRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return leave(self._registry, request, client, now, ticket)

    def consumer_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return consumer_heartbeat(self._registry, request, client, now, ticket)

    def describe_consumer_groups(
        self, request: ConsumerGroupDescribeRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return describe_consumer_groups(self._registry, request, client, now, ticket)

    def share_heartbeat(
        self, request: ShareGroupHeartbeatRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return share_heartbeat.share_heartbeat(self._registry, request, client, now, ticket)

    def describe_share_groups(
        self, request: ShareGroupDescribeRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return describe_share_groups(self._registry, request, client, now, ticket)

    def share_group(self, group_id: str) -> ShareGroup | None:
        """For who looks after the states of its partitions. It is to be read only."""
        return self._registry.share_groups.get(group_id)

    def topics_to_share(self, request: ShareGroupHeartbeatRequest) -> frozenset[str]:
        """What the group reads once the heartbeat is decided: of that, there have to be states before."""
        return share_heartbeat.topics_to_share(self._registry, request)

    def new_share_group(self, group_id: str) -> Outcome:
        """A group in which nobody is yet."""
        return Outcome([share_records.epoch_record(group_id, 0, 0)])

    def may_be_shared(self, group_id: str) -> bool:
        """Whether the id is that of a share group, or of none."""
        return not self._registry.has_other_than_share(group_id)

    def commit_offsets(self, request: OffsetCommitRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return commit_offsets(self._registry, request, client, now, ticket)

    def commit_transactional(
        self, request: TxnOffsetCommitRequest, client: ClientInfo, now: Now, ticket: Ticket
    ) -> Outcome:
        return commit_transactional(self._registry, request, client, now, ticket)

    def fetch_offsets(self, request: OffsetFetchRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return fetch_offsets(self._registry, request, client, now, ticket)

    def delete_offsets(self, request: OffsetDeleteRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return delete_offsets(self._registry, request, client, now, ticket)

    def list(self, request: ListGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return describe.list_groups(self._registry, request, client, now, ticket)

    def describe(self, request: DescribeGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return describe.describe_groups(self._registry, request, client, now, ticket)

    def delete(self, request: DeleteGroupsRequest, client: ClientInfo, now: Now, ticket: Ticket) -> Outcome:
        return delete.delete_groups(self._registry, request, client, now, ticket)

    def topics_deleted(self, names: Iterable[str]) -> Outcome:
        return delete.drop_topics(self._registry, frozenset(names))

    def delivered(self, topic: str) -> Sequence[int | None]:
        """See `delivered.delivered_to`."""
        return delivered_to(self._registry, topic)

    # --- what there is, for monitoring ---

    def member_counts(self) -> dict[str, int]:
        """Of every group."""
        registry = self._registry
        groups: list[Group | ConsumerGroup | ShareGroup] = [
            *registry.groups.values(),
            *registry.consumer_groups.values(),
            *registry.share_groups.values(),
        ]
        return {group.group_id: len(group.members) for group in groups}

    def committed(self) -> Iterator[tuple[str, str, int, int]]:
        """Group, topic, partition and offset of all that is committed. Things may change while one goes through it."""
        offsets = self._registry.offsets
        for group_id in offsets.groups():
            for topic, partition, committed in list(offsets.of_group(group_id)):
                yield group_id, topic, partition, committed.offset

    # --- time ---

    def start(self, now: Now) -> Outcome:
        """To be called once, when the log is replayed: from now on members are expected to be heard from."""
        registry = self._registry
        self._clock_jumps.seen_at(now)
        registry.timers.set((RETENTION,), now.monotonic_ms + registry.config.offsets_retention_check_interval_ms)
        outcome = delete.drop_orphans(registry)
        for group in registry.groups.values():
            for member in group.members.values():
                registry.expect_heartbeat(group, member, now.monotonic_ms)
            if len(group.members) > registry.config.members_max:
                rebalance.begin(registry, group, now, outcome)
            else:
                rebalance.begin_if_leaderless(registry, group, now, outcome)
        for group_id in registry.consumer_groups:
            downgrade.soon(registry, group_id, now)
        consumer_timeouts.start(registry, now.monotonic_ms)
        share_heartbeat.start(registry, now.monotonic_ms)
        return outcome

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do next, by the monotonic clock."""
        return self._registry.timers.next_deadline_ms()

    def tick(self, now: Now) -> Iterator[Outcome]:
        """What has come due, one outcome each. The records of one are to be replayed before the next is asked for."""
        for key in self._registry.timers.due(now.monotonic_ms):
            yield self._come_due(key, now)

    def _come_due(self, key: Key, now: Now) -> Outcome:
        if key[0] == RETENTION:
            return self._expire_offsets(now)
        outcome = Outcome()
        registry = self._registry
        if key[0] == CONSUMER_SESSION:
            return Outcome(consumer_leave.session_is_over(registry, key[1], key[2], now))
        if key[0] == CONSUMER_REBALANCE:
            return Outcome(consumer_leave.revocation_is_late(registry, key[1], key[2], now))
        if key[0] == DOWNGRADE:
            return Outcome(downgrade.downgraded(registry, key[1], now))
        if key[0] == SHARE_SESSION:
            return Outcome(share_heartbeat.session_is_over(registry, key[1], key[2], now))
        group = registry.groups.get(key[1])
        if group is None:
            return outcome
        if key[0] == SESSION:
            rebalance.session_is_over(registry, group, key[2], now, outcome)
        elif key[0] == JOIN:
            rebalance.join_phase_is_over(registry, group, now, outcome)
        elif key[0] == SYNC:
            rebalance.sync_phase_is_over(registry, group, now, outcome)
        elif key[0] == LEADERLESS:
            rebalance.begin_if_leaderless(registry, group, now, outcome)
        return outcome

    def _expire_offsets(self, now: Now) -> Outcome:
        registry = self._registry
        registry.timers.set((RETENTION,), now.monotonic_ms + registry.config.offsets_retention_check_interval_ms)
        return Outcome() if self._clock_jumps.seen_at(now) else delete.expire_offsets(registry, now)

    # --- the log ---

    def replay(self, key: bytes, value: bytes | None, producer: Producer | None = None) -> None:
        """Do what the record says, once `producer`'s transaction commits if it is of one.

        Raises DiskError if it says nothing we know.
        """
        match read_record(key, value):
            case OffsetRecord(group_id, topic, partition, None):
                self._registry.offsets.remove(group_id, topic, partition)
                self._registry.pending.forget(Place(group_id, topic, partition))
                group = self._registry.groups.get(group_id)
                if group is not None:
                    self._registry.forget_if_nothing(group)
            case OffsetRecord(group_id, topic, partition, committed) if committed is not None:
                if group_id not in self._registry.consumer_groups:
                    self._registry.group_or_new(group_id)
                if producer is not None:
                    self._registry.pending.put(producer.producer_id, Place(group_id, topic, partition), committed)
                else:
                    self._registry.offsets.put(group_id, topic, partition, committed)
            case GroupRecord(group_id, None):
                self._remove(group_id)
            case GroupRecord(group_id, metadata) if metadata is not None and value is not None:
                self._registry.group_or_new(group_id).restore(metadata, value)

            case ConsumerGroupRecord(group_id, ConsumerGroupMetadataKey(), None):
                self._remove_consumer_group(group_id)
            case ConsumerGroupRecord(group_id, at, said):
                group_of_consumers = self._registry.consumer_groups.get(group_id)
                if group_of_consumers is None and said is not None:
                    group_of_consumers = self._registry.new_consumer_group(group_id)
                if group_of_consumers is not None:
                    consumer_records.replay(group_of_consumers, at, said)

            case ShareGroupRecord(group_id, ShareGroupMetadataKey(), None):
                self._registry.share_groups.pop(group_id, None)
            case ShareGroupRecord(group_id, at, said):
                shared = self._registry.share_groups.get(group_id)
                if shared is None and said is not None:
                    shared = self._registry.share_groups[group_id] = ShareGroup(group_id)
                if shared is not None:
                    share_records.replay(shared, at, said)

    def _remove_consumer_group(self, group_id: str) -> None:
        if self._registry.consumer_groups.pop(group_id, None) is not None and self._registry.has_offsets(group_id):
            self._registry.group_or_new(group_id)

    def replay_end(self, producer_id: int, *, commit: bool) -> None:
        """Do what the marker says: the producer's transaction is over."""
        registry = self._registry
        for place, committed in registry.pending.decided(producer_id).items():
            if commit:
                registry.offsets.put(*place, committed)
            if place.group_id not in registry.consumer_groups:
                registry.forget_if_nothing(registry.group_or_new(place.group_id))

    def _remove(self, group_id: str) -> None:
        group = self._registry.groups.get(group_id)
        if group is None:
            return
        group.recorded = None
        for phase in (JOIN, SYNC):
            self._registry.timers.cancel((phase, group_id))
        for member_id in group.pending_ids:
            self._registry.forget_heartbeat(group, member_id)
        if self._registry.has_offsets(group_id):
            self._registry.groups[group_id] = Group(group_id)
        else:
            group.move(Event.DELETED, group.state_since_wall_ms)
            del self._registry.groups[group_id]

    def snapshot(self) -> Iterator[tuple[bytes, bytes]]:
        """What lasts, as records: replayed into a fresh coordinator they give the same durable state.

        It may be taken in pieces while requests go on. Each record shows the state at the moment it is asked for, so
        pieces appended to the log as they come never say less than what stands before them.
        """
        registry = self._registry
        for group_id in list(registry.groups):
            group = registry.groups.get(group_id)
            if group is not None and group.recorded is not None:
                yield group_key(group_id), group.recorded
        for group_id in list(registry.consumer_groups):
            group_of_consumers = registry.consumer_groups.get(group_id)
            if group_of_consumers is not None:
                yield from self._still(group_of_consumers)
        for group_id in list(registry.share_groups):
            shared = registry.share_groups.get(group_id)
            for key, value in share_records.all_records(shared) if shared is not None else ():
                if registry.share_groups.get(group_id) is not shared:
                    break
                assert value is not None
                yield key, value
        for group_id in registry.offsets.groups():
            for topic, partition in [(topic, partition) for topic, partition, _ in registry.offsets.of_group(group_id)]:
                committed = registry.offsets.get(group_id, topic, partition)
                if committed is not None:
                    key, value = offset_record(group_id, topic, partition, committed)
                    assert value is not None
                    yield key, value

    def _still(self, group: ConsumerGroup) -> Iterator[tuple[bytes, bytes]]:
        """The records of `group`, as long as it is there."""
        for key, value in consumer_records.all_records(group):
            if self._registry.consumer_groups.get(group.group_id) is not group:
                return
            assert value is not None
            yield key, value

    def state_of(self, group_id: str) -> GroupState:
        """Dead if there is no such group."""
        group = self._registry.groups.get(group_id)
        return GroupState.DEAD if group is None else group.state
