"""A consumer of the classic protocol as its client sees it. It leads if it has to, and reads what it was given."""

from __future__ import annotations

import struct

from tests.coordination.consumer_client import Partition
from tests.coordination.harness import GROUP, Cluster, join_request

from tidings.coordination.groups.embedded_protocol import assignment, read_assignment, read_subscription
from tidings.coordination.outcome import Ticket
from tidings.wire.codec import encode_bytes
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_protocol import ConsumerProtocolSubscription, TopicPartition
from tidings.wire.messages.join_group import JoinGroupResponse
from tidings.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

REBALANCE_MS = 5_000


class ClassicClient:
    """`is_eager`: gives everything up before it joins. Else it keeps what it is not told to give up (KIP-429)."""

    def __init__(self, cluster: Cluster, *topics: str, is_eager: bool = True, instance_id: str | None = None) -> None:
        self.cluster = cluster
        self.topics = list(topics)
        self.is_eager = is_eager
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.reading: set[Partition] = set()
        self.must_join = True
        self.joining: Ticket | None = None
        self.syncing: Ticket | None = None

    @property
    def is_member(self) -> bool:
        return bool(self.member_id)

    def beat(self) -> ErrorCode:
        """What it does next: joins, asks for its assignment, hears what has come, or says that it is alive."""
        if self.joining is not None:
            return self._hear_join()
        if self.syncing is not None:
            return self._hear_sync()
        if self.must_join:
            return self._join()
        code = ErrorCode(self.cluster.heartbeat(self.member_id, self.generation, self.instance_id))
        return self._told(code)

    def revoke(self) -> None:
        """It does what it is told at once."""

    def give_up(self) -> None:
        """Read nothing, forget everything, and begin anew."""
        self.member_id, self.generation, self.reading = "", -1, set()
        self.must_join, self.joining, self.syncing = True, None, None

    def leave(self) -> None:
        if self.member_id:
            self.cluster.leave(self.member_id)
        self.give_up()

    def connection_is_lost(self) -> None:
        """Replies that were to come do not."""
        self.must_join = self.must_join or self.joining is not None or self.syncing is not None
        self.joining = self.syncing = None

    def _told(self, code: ErrorCode) -> ErrorCode:
        if code is ErrorCode.REBALANCE_IN_PROGRESS:
            self.must_join = True
        elif code is not ErrorCode.NONE:
            self.give_up()
        return code

    def _join(self) -> ErrorCode:
        if self.is_eager:
            self.reading = set()
        metadata = {"range" if self.is_eager else "cooperative-sticky": self._subscription()}
        options = {"instance_id": self.instance_id, "protocols": metadata, "rebalance_ms": REBALANCE_MS}
        self.joining = self.cluster.send("join", join_request(self.member_id, **options), 9)  # type: ignore[arg-type]
        return self._hear_join()

    def _subscription(self) -> bytes:
        owned: dict[str, list[int]] = {}
        for topic_id, partition in sorted(self.reading):
            name = self.cluster.topics.topic_name(topic_id)
            if name is not None:
                owned.setdefault(name, []).append(partition)
        parts = [TopicPartition(topic=name, partitions=partitions) for name, partitions in owned.items()]
        said = ConsumerProtocolSubscription(topics=self.topics, owned_partitions=parts, generation_id=self.generation)
        return struct.pack(">h", 2) + encode_bytes(said, 2)

    def _hear_join(self) -> ErrorCode:
        reply = self.cluster.replies.get(self.joining)
        if reply is None:
            return ErrorCode.NONE
        assert isinstance(reply, JoinGroupResponse)
        self.joining = None
        code = ErrorCode(reply.error_code)
        if code is ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = reply.member_id
            return self._join()
        if code is not ErrorCode.NONE:
            return self._told(code)
        self.must_join, self.member_id, self.generation = False, reply.member_id, reply.generation_id
        request = SyncGroupRequest(
            group_id=GROUP,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            protocol_type="consumer",
            protocol_name=reply.protocol_name,
            assignments=self._assign(reply) if reply.leader == self.member_id else [],
        )
        self.syncing = self.cluster.send("sync", request, 5)
        return self._hear_sync()

    def _assign(self, reply: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        """In turn, but nothing to one of what another still reads."""
        said = {member.member_id: read_subscription(bytes(member.metadata)) for member in reply.members}
        owners = {(t, p): member_id for member_id, one in said.items() for t in one.owned for p in one.owned[t]}
        given: dict[str, dict[str, set[int]]] = {member_id: {} for member_id in said}
        for name in sorted(set[str]().union(*(one.topics for one in said.values()))):
            readers = sorted(member_id for member_id, one in said.items() if name in one.topics)
            for partition in range(self.cluster.topics.partition_count(name)):
                to = readers[partition % len(readers)]
                if owners.get((name, partition), to) == to:
                    given[to].setdefault(name, set()).add(partition)
        return [
            SyncGroupRequestAssignment(member_id=member_id, assignment=assignment(parts, 2))
            for member_id, parts in given.items()
        ]

    def _hear_sync(self) -> ErrorCode:
        reply = self.cluster.replies.get(self.syncing)
        if reply is None:
            return ErrorCode.NONE
        assert isinstance(reply, SyncGroupResponse)
        self.syncing = None
        code = ErrorCode(reply.error_code)
        if code is not ErrorCode.NONE:
            return self._told(code)
        topics = self.cluster.topics
        named = read_assignment(bytes(reply.assignment))
        assigned = {(topics.topic_id(name), partition) for name in named for partition in named[name]}
        # One that has given something up joins again, so that others may have it.
        self.must_join = not self.is_eager and not self.reading <= assigned
        self.reading = assigned
        return code
