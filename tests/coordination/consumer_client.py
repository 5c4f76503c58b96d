"""A member of the consumer protocol as its client sees it: knows what it was told, and reads what it was given."""

from __future__ import annotations

from typing import Any

from tests.coordination.harness import GROUP, Cluster

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

Partition = tuple[bytes, int]
REBALANCE_MS = 30_000


def consumer_group(cluster: Cluster, group_id: str = GROUP) -> ConsumerGroup:
    return cluster.coordinator._registry.consumer_groups[group_id]


def heartbeat(
    cluster: Cluster, member_id: str, epoch: int, *, version: int = 1, **options: Any
) -> ConsumerGroupHeartbeatResponse:
    """A raw one, with what a client says when it joins if `epoch` is 0."""
    if epoch == JOIN_EPOCH:
        options = {
            "rebalance_timeout_ms": REBALANCE_MS,
            "topic_partitions": [],
            "subscribed_topic_names": ["orders"],
            **options,
        }
    request = ConsumerGroupHeartbeatRequest(
        **{"group_id": GROUP, "member_id": member_id, "member_epoch": epoch, **options}
    )
    reply = cluster.ask("consumer_heartbeat", request, version)
    assert isinstance(reply, ConsumerGroupHeartbeatResponse)
    return reply


class ConsumerClient:
    """`reading` is what it may be reading; `assigned` what it was last told to read."""

    def __init__(
        self, cluster: Cluster, member_id: str, *topics: str, instance_id: str | None = None, regex: str | None = None
    ) -> None:
        self.cluster = cluster
        self.member_id = member_id
        self.instance_id = instance_id
        self.topics = list(topics)
        self.regex = regex
        self.assignor: str | None = None
        self.epoch = JOIN_EPOCH
        self.reading: set[Partition] = set()
        self.assigned: set[Partition] = set()
        self.says_all = True
        self.is_member = False
        self.interval_ms = 0

    def beat(self, *, lost: bool = False) -> ErrorCode:
        """One heartbeat. Of one whose reply is lost, nothing is learnt, and the next one says everything."""
        options: dict[str, Any] = {"instance_id": self.instance_id}
        if self.epoch == JOIN_EPOCH or self.says_all:
            options |= {
                "rebalance_timeout_ms": REBALANCE_MS,
                "subscribed_topic_names": self.topics,
                "subscribed_topic_regex": self.regex,
                "server_assignor": self.assignor,
            }
        owned: dict[bytes, list[int]] = {}
        for topic_id, partition in sorted(self.reading):
            owned.setdefault(topic_id, []).append(partition)
        options["topic_partitions"] = [TopicPartitions(topic_id=t, partitions=p) for t, p in owned.items()]
        reply = heartbeat(self.cluster, self.member_id, self.epoch, **options)
        if lost:
            self.says_all = True
            return ErrorCode.NONE
        return self._hear(reply)

    def _hear(self, reply: ConsumerGroupHeartbeatResponse) -> ErrorCode:
        code = ErrorCode(reply.error_code)
        if code in (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND):
            self.give_up()
        if code is not ErrorCode.NONE:
            return code
        self.epoch, self.says_all, self.is_member = reply.member_epoch, False, True
        self.interval_ms = reply.heartbeat_interval_ms
        if reply.assignment is not None:
            self.assigned = {(t.topic_id, p) for t in reply.assignment.topic_partitions for p in t.partitions}
            self.reading |= self.assigned
        return code

    def give_up(self) -> None:
        """Read nothing, and begin anew."""
        self.epoch, self.says_all, self.is_member = JOIN_EPOCH, True, False
        self.reading, self.assigned = set(), set()

    def revoke(self) -> None:
        """Do what it was told."""
        self.reading &= self.assigned

    def leave(self, *, for_a_while: bool = False) -> ErrorCode:
        epoch = STATIC_LEAVE_EPOCH if for_a_while else LEAVE_EPOCH
        reply = heartbeat(self.cluster, self.member_id, epoch, instance_id=self.instance_id)
        self.give_up()
        return ErrorCode(reply.error_code)

    def subscribe(self, *topics: str, regex: str | None = None) -> None:
        self.topics, self.regex, self.says_all = list(topics), regex, True

    @property
    def partitions(self) -> dict[str, set[int]]:
        """What it reads, by name."""
        found: dict[str, set[int]] = {}
        for topic_id, partition in self.reading:
            found.setdefault(self.cluster.topics.topic_name(topic_id) or "?", set()).add(partition)
        return found


def settle(*clients: ConsumerClient, rounds: int = 6) -> None:
    """Let all send heartbeats and do what they are told, until everyone has had its turn often enough."""
    for _ in range(rounds):
        for client in clients:
            client.beat()
            client.revoke()
