"""A group coordinator with a clock to turn by hand, a log in a list, and clients that are a line each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.coordinator import GroupCoordinator
from tidings.coordination.outcome import ClientInfo, Now, Outcome, Record, Ticket
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import NULL_UUID, Message
from tidings.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from tidings.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidings.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from tidings.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from tidings.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

M = TypeVar("M", bound=Message)
GROUP = "readers"
SESSION_MS = 10_000
REBALANCE_MS = 60_000
DAY_MS = 24 * 3600 * 1000
START_WALL_MS = 1_700_000_000_000
START_MONOTONIC_MS = 5_000


class Topics(dict[str, tuple[bytes, int]]):
    """Name to id and number of partitions."""

    def partition_count(self, name: str) -> int:
        return self.get(name, (NULL_UUID, 0))[1]

    def topic_id(self, name: str) -> bytes:
        return self.get(name, (NULL_UUID, 0))[0]

    def topic_name(self, topic_id: bytes) -> str | None:
        return next((name for name, (known_id, _) in self.items() if known_id == topic_id), None)

    def names(self) -> list[str]:
        return list(self)

    @property
    def revision(self) -> int:
        return hash(frozenset(self.items()))


def orders_and_payments() -> Topics:
    return Topics(orders=(b"\x01" * 16, 4), payments=(b"\x02" * 16, 2))


class Cluster:
    """Obeys the contract of `coordination.outcome`, with a disk that is always done at once."""

    def __init__(self, config: GroupConfig | None = None, topics: Topics | None = None) -> None:
        self.config = config or GroupConfig()
        self.topics = orders_and_payments() if topics is None else topics
        self.monotonic_ms = START_MONOTONIC_MS
        self.wall_ms = START_WALL_MS
        self.log: list[Record] = []
        self.replies: dict[Ticket, Message] = {}
        self._versions: dict[Ticket, int] = {}
        self._ids = count()
        self.coordinator = self.fresh()
        self.apply(self.coordinator.start(self.now))

    def fresh(self) -> GroupCoordinator:
        return GroupCoordinator(config=self.config, new_id=lambda: f"id{next(self._ids)}", topics=self.topics)

    @property
    def now(self) -> Now:
        return Now(self.monotonic_ms, self.wall_ms)

    def apply(self, outcome: Outcome) -> None:
        for key, value in outcome.records:
            self.log.append((key, value))
            self.coordinator.replay(key, value)
        for ticket, message in outcome.replies:
            assert ticket not in self.replies, "a request was answered twice"
            self.replies[ticket] = over_the_wire(message, self._versions[ticket])

    def send(self, method: str, request: Message, version: int, client_id: str = "app") -> Ticket:
        """As the wire would carry them: what a version does not have is lost on the way, there and back."""
        ticket = object()
        request = over_the_wire(request, version)
        client = ClientInfo(client_id, "/127.0.0.1", version)
        self._versions[ticket] = version
        self.apply(getattr(self.coordinator, method)(request, client, self.now, ticket))
        return ticket

    def ask(self, method: str, request: Message, version: int, client_id: str = "app") -> Any:
        """The reply, which has to be there."""
        return self.replies[self.send(method, request, version, client_id)]

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass, with every deadline on the way met in its moment."""
        end_ms = self.monotonic_ms + milliseconds
        while (due_ms := self.coordinator.next_deadline_ms()) is not None and due_ms <= end_ms:
            self._move_to(max(due_ms, self.monotonic_ms))
            for outcome in self.coordinator.tick(self.now):
                self.apply(outcome)
        self._move_to(end_ms)

    def _move_to(self, monotonic_ms: int) -> None:
        self.wall_ms += monotonic_ms - self.monotonic_ms
        self.monotonic_ms = monotonic_ms

    def restart(self) -> None:
        """All that was going on is lost; what is in the log is not."""
        self.coordinator = self.fresh()
        for key, value in self.log:
            self.coordinator.replay(key, value)
        self.apply(self.coordinator.start(self.now))

    # Clients.

    def join(self, member_id: str = "", *, version: int = 9, **options: Any) -> Ticket:
        return self.send("join", join_request(member_id, **options), version)

    def join_now(self, member_id: str = "", *, version: int = 9, **options: Any) -> JoinGroupResponse:
        reply = self.replies[self.join(member_id, version=version, **options)]
        assert isinstance(reply, JoinGroupResponse)
        return reply

    def joined(self, ticket: Ticket) -> JoinGroupResponse:
        reply = self.replies[ticket]
        assert isinstance(reply, JoinGroupResponse)
        return reply

    def new_member_id(self, **options: Any) -> str:
        return str(self.join_now(**options).member_id)

    def sync(
        self, member_id: str, generation: int, assignments: dict[str, bytes] | None = None, **options: Any
    ) -> Ticket:
        request = SyncGroupRequest(
            group_id=GROUP,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=options.get("instance_id"),
            protocol_type=options.get("protocol_type"),
            protocol_name=options.get("protocol_name"),
            assignments=[
                SyncGroupRequestAssignment(member_id=to, assignment=data) for to, data in (assignments or {}).items()
            ],
        )
        return self.send("sync", request, options.get("version", 5))

    def synced(self, ticket: Ticket) -> SyncGroupResponse:
        reply = self.replies[ticket]
        assert isinstance(reply, SyncGroupResponse)
        return reply

    def heartbeat(self, member_id: str, generation: int, instance_id: str | None = None) -> int:
        request = HeartbeatRequest(
            group_id=GROUP, generation_id=generation, member_id=member_id, group_instance_id=instance_id
        )
        reply = self.ask("heartbeat", request, 4)
        assert isinstance(reply, HeartbeatResponse)
        return reply.error_code

    def leave(self, *members: MemberIdentity | str, version: int = 5) -> LeaveGroupResponse:
        identities = [MemberIdentity(member_id=m) if isinstance(m, str) else m for m in members]
        request = LeaveGroupRequest(group_id=GROUP, member_id=identities[0].member_id, members=identities)
        reply = self.ask("leave", request, version)
        assert isinstance(reply, LeaveGroupResponse)
        return reply

    def commit(
        self,
        offsets: dict[tuple[str, int], int],
        *,
        member_id: str = "",
        generation: int = -1,
        version: int = 9,
        group_id: str = GROUP,
        **options: Any,
    ) -> dict[tuple[str, int], int]:
        """Error codes by partition."""
        by_topic: dict[str, list[OffsetCommitRequestPartition]] = {}
        for (topic, partition), offset in offsets.items():
            by_topic.setdefault(topic, []).append(
                OffsetCommitRequestPartition(
                    partition_index=partition,
                    committed_offset=offset,
                    committed_leader_epoch=options.get("leader_epoch", -1),
                    committed_metadata=options.get("metadata", ""),
                )
            )
        request = OffsetCommitRequest(
            group_id=group_id,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=options.get("instance_id"),
            retention_time_ms=options.get("retention_ms", -1),
            topics=[
                OffsetCommitRequestTopic(
                    name=topic, topic_id=options.get("topic_id", self.topics.topic_id(topic)), partitions=partitions
                )
                for topic, partitions in by_topic.items()
            ],
        )
        reply = self.ask("commit_offsets", request, version)
        assert isinstance(reply, OffsetCommitResponse)
        return {
            (name, answer.partition_index): answer.error_code
            for name, topic in zip(by_topic, reply.topics, strict=True)
            for answer in topic.partitions
        }

    def offsets(self, group_id: str = GROUP) -> dict[tuple[str, int], int]:
        """All that the group has committed."""
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=None)])
        reply = self.ask("fetch_offsets", request, 9)
        assert isinstance(reply, OffsetFetchResponse)
        return {
            (topic.name, partition.partition_index): partition.committed_offset
            for topic in reply.groups[0].topics
            for partition in topic.partitions
        }

    def offset(self, topic: str, partition: int, group_id: str = GROUP) -> int:
        wanted = OffsetFetchRequestTopics(name=topic, partition_indexes=[partition])
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=[wanted])])
        reply = self.ask("fetch_offsets", request, 9)
        assert isinstance(reply, OffsetFetchResponse)
        return reply.groups[0].topics[0].partitions[0].committed_offset

    # Groups that are already somewhere.

    def formed(self, *member_options: dict[str, Any]) -> list[JoinGroupResponse]:
        """A group in CompletingRebalance: the joins of its members. The first of them leads."""
        ids = ["" if "instance_id" in options else self.new_member_id(**options) for options in member_options]
        tickets = [self.join(member_id, **options) for member_id, options in zip(ids, member_options, strict=True)]
        self.pass_time(self.config.initial_rebalance_delay_ms * (len(tickets) + 1))
        return [self.joined(ticket) for ticket in tickets]

    def stable(self, *member_options: dict[str, Any]) -> list[JoinGroupResponse]:
        """A group in Stable, where each member has its own id for an assignment."""
        joins = self.formed(*(member_options or ({},)))
        leader = next(join for join in joins if join.leader == join.member_id)
        assignments = {join.member_id: join.member_id.encode() for join in joins}
        for join in joins:
            self.sync(join.member_id, join.generation_id, assignments if join is leader else None)
        return joins


def over_the_wire(message: M, version: int) -> M:
    return decode(type(message), version, encode_bytes(message, version))[0]


def subscription(*topics: str) -> bytes:
    return b"\0\0" + encode_bytes(ConsumerProtocolSubscription(topics=list(topics)), 0)


def join_request(
    member_id: str = "",
    *,
    instance_id: str | None = None,
    protocols: dict[str, bytes] | None = None,
    protocol_type: str = "consumer",
    session_ms: int = SESSION_MS,
    rebalance_ms: int = REBALANCE_MS,
    group_id: str = GROUP,
) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group_id,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=rebalance_ms,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type=protocol_type,
        protocols=[
            JoinGroupRequestProtocol(name=name, metadata=metadata)
            for name, metadata in (protocols or {"range": subscription("orders")}).items()
        ],
        reason="a test",
    )


def durable(coordinator: GroupCoordinator) -> dict[bytes, bytes]:
    """All that lasts."""
    return dict(coordinator.snapshot())


def replayed(make: Callable[[], GroupCoordinator], log: list[Record] | list[tuple[bytes, bytes]]) -> GroupCoordinator:
    coordinator = make()
    for key, value in log:
        coordinator.replay(key, value)
    return coordinator
