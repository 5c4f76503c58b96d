"""Members of the consumer protocol that come, go, fall silent and lose replies, while topics come and go, and members
of the classic protocol beside them: groups change their protocol under them, there and back.

What must hold, whatever happens: no partition is read by two members at a time; when all behave for a while, every
partition is read, and the group is at rest; and the log says all that lasts.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import hypothesis.strategies as st
from hypothesis import Phase, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from tests.coordination.classic_client import ClassicClient
from tests.coordination.consumer_client import ConsumerClient, Partition, consumer_group, settle
from tests.coordination.harness import GROUP, Cluster, Topics, durable, replayed

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.consumer.assignors import RANGE, UNIFORM
from tidings.coordination.groups.consumer.group import ConsumerGroup, ConsumerGroupState
from tidings.coordination.groups.group import Group
from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode

SUBSCRIPTIONS = st.sampled_from([(), ("orders",), ("orders", "payments"), ("payments", "absent")])
REGEXES = st.sampled_from([None, None, "orders", "p.*", ".*s"])


class ConsumerGroupMachine(RuleBasedStateMachine):
    clients = Bundle("clients")
    classics = Bundle("classics")

    @initialize(target=clients, count=st.integers(0, 3))
    def begin(self, count: int) -> Any:
        self.cluster = Cluster(GroupConfig(consumer_session_timeout_ms=10_000), Topics(orders=(b"\x01" * 16, 4)))
        self.all: list[ConsumerClient] = []
        self.guests: list[ClassicClient] = []
        self.count = 0
        self.topic_count = 1
        return multiple(*(self.a_client(None, ("orders",), None) for _ in range(count)))

    def a_client(self, instance_id: str | None, topics: tuple[str, ...], regex: str | None) -> ConsumerClient:
        self.count += 1
        client = ConsumerClient(self.cluster, f"m{self.count}", *topics, instance_id=instance_id, regex=regex)
        self.all.append(client)
        return client

    # What clients do.

    @rule(
        target=clients, instance_id=st.sampled_from([None, None, "static"]), topics=SUBSCRIPTIONS, regex=REGEXES,
        assignor=st.sampled_from([None, UNIFORM, RANGE]),
    )  # fmt: skip
    def start(
        self, instance_id: str | None, topics: tuple[str, ...], regex: str | None, assignor: str | None
    ) -> ConsumerClient:
        client = self.a_client(instance_id, topics, regex)
        client.assignor = assignor
        client.beat()
        return client

    @rule(client=clients, lost=st.booleans(), revokes=st.booleans())
    def beat(self, client: ConsumerClient, lost: bool, revokes: bool) -> None:
        code = client.beat(lost=lost)
        assert code in (
            ErrorCode.NONE, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID,
            ErrorCode.UNRELEASED_INSTANCE_ID, ErrorCode.GROUP_ID_NOT_FOUND,
        )  # fmt: skip
        if code is ErrorCode.FENCED_INSTANCE_ID:
            client.give_up()
        if revokes:
            client.revoke()

    @rule(client=clients)
    def revoke(self, client: ConsumerClient) -> None:
        client.revoke()

    @rule(client=clients, topics=SUBSCRIPTIONS, regex=REGEXES)
    def subscribe(self, client: ConsumerClient, topics: tuple[str, ...], regex: str | None) -> None:
        client.subscribe(*topics, regex=regex or "")

    @rule(client=clients, for_a_while=st.booleans())
    def leave(self, client: ConsumerClient, for_a_while: bool) -> None:
        client.leave(for_a_while=for_a_while and client.instance_id is not None)

    @rule(client=consumes(clients))
    def die(self, client: ConsumerClient) -> None:
        client.give_up()
        self.all.remove(client)

    @rule(client=clients)
    def forget(self, client: ConsumerClient) -> None:
        """It reads nothing any more, and joins again, though nobody fenced it."""
        client.give_up()

    # What clients of the classic protocol do.

    @rule(target=classics, topics=st.sampled_from([("orders",), ("orders", "payments")]), is_eager=st.booleans())
    def start_classic(self, topics: tuple[str, ...], is_eager: bool) -> ClassicClient:
        self.guests.append(ClassicClient(self.cluster, *topics, is_eager=is_eager))
        return self.guests[-1]

    @rule(client=classics)
    def beat_classic(self, client: ClassicClient) -> None:
        assert client.beat() in (
            ErrorCode.NONE, ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION,
            ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        )  # fmt: skip

    @rule(client=classics)
    def lose_connection(self, client: ClassicClient) -> None:
        client.connection_is_lost()

    @rule(client=classics)
    def leave_classic(self, client: ClassicClient) -> None:
        client.leave()

    @rule(client=consumes(classics))
    def die_classic(self, client: ClassicClient) -> None:
        client.give_up()
        self.guests.remove(client)

    # What happens around them.

    @rule(milliseconds=st.sampled_from([100, 3_000, 9_000, 31_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.cluster.pass_time(milliseconds)

    @rule(name=st.sampled_from(["orders", "payments"]), count=st.integers(0, 6))
    def change_topics(self, name: str, count: int) -> None:
        """It comes, grows, or goes; if it comes again, it is another."""
        topics = self.cluster.topics
        before = topics.partition_count(name)
        if count == 0:
            topics.pop(name, None)
        elif before == 0:
            self.topic_count += 1
            topics[name] = (bytes([self.topic_count]) * 16, count)
        elif count > before:
            topics[name] = (topics.topic_id(name), count)

    @rule()
    def restart(self) -> None:
        self.cluster.restart()
        for guest in self.guests:
            guest.connection_is_lost()

    @rule()
    def behave(self) -> None:
        """All do what good clients do, and none is lost: then the group comes to rest with nothing left over."""
        for client in self.all:
            if client.instance_id is not None and self.instance_owner != client.member_id:
                client.give_up()  # only one of them can be a member
        present = [c for c in self.all if c.instance_id is None or self.instance_owner in (None, c.member_id)]
        static = [client for client in present if client.instance_id is not None]
        present = [client for client in present if client.instance_id is None or client is static[0]]
        eager = {guest.is_eager for guest in self.guests}
        for guest in [guest for guest in self.guests if len(eager) > 1 and guest.is_eager]:
            guest.leave()  # they have no assignor in common
        guests = [guest for guest in self.guests if len(eager) == 1 or not guest.is_eager]
        for guest in guests:
            guest.must_join = True  # its leader may have seen topics change
        for _ in range(24 if self.guests else 8):
            for _ in range(2):
                settle(*present, rounds=1)
                for guest in guests:
                    guest.beat()
            self.cluster.pass_time(2_000)  # those who are silent are given up on the way
        if not present and not guests:
            return
        everyone: list[ConsumerClient | ClassicClient] = [*present, *guests]
        if present:
            group = consumer_group(self.cluster)
            assert group.state is ConsumerGroupState.STABLE
            assert group.members.keys() == {client.member_id for client in everyone}
        else:
            assert self.cluster.coordinator.state_of(GROUP) is GroupState.STABLE
        read = [partition for client in everyone for partition in client.reading]
        assert len(read) == len(set(read))
        assert set(read) == self.subscribed(present, guests)

    def subscribed(self, present: list[ConsumerClient], guests: list[ClassicClient]) -> set[Partition]:
        topics = self.cluster.topics
        names = {
            name
            for name in topics
            if any(name in topics_read for topics_read in (*(c.topics for c in present), *(g.topics for g in guests)))
            or any(re.fullmatch(client.regex or "", name) for client in present)
        }
        return {(topics.topic_id(name), index) for name in names for index in range(topics.partition_count(name))}

    # What must hold.

    @property
    def group(self) -> ConsumerGroup | None:
        return self.cluster.coordinator._registry.consumer_groups.get(GROUP)

    @property
    def classic_group(self) -> Group | None:
        return self.cluster.coordinator._registry.groups.get(GROUP)

    @property
    def instance_owner(self) -> str | None:
        group = self.group
        member_id = group.static_ids.get("static") if group is not None else None
        if group is None or member_id is None or group.members[member_id].is_away:
            return None
        return member_id

    @invariant()
    def no_partition_is_read_by_two(self) -> None:
        group = self.group or self.classic_group
        members: Collection[str] = group.members if group is not None else ()
        readers: dict[Partition, str] = {}
        everyone: list[ConsumerClient | ClassicClient] = [*self.all, *self.guests]
        for client in everyone:
            # Who was given up may not know it yet: its commits are fenced, and its next heartbeat tells it.
            if client.is_member and client.member_id in members:
                for partition in client.reading:
                    other = readers.setdefault(partition, client.member_id)
                    assert other == client.member_id, f"{partition} is read by {other} and {client.member_id}"

    @invariant()
    def books_are_in_order(self) -> None:
        group = self.group
        if group is None:
            return
        owned = [partition for member in group.members.values() for partition in member.owned()]
        assert len(owned) == len(set(owned))
        assert group.owners == {p: m.member_id for m in group.members.values() for p in m.owned()}
        assert group.static_ids == {m.instance_id: m.member_id for m in group.members.values() if m.instance_id}
        assert group.targets.keys() <= group.members.keys()
        assert group.target_epoch <= group.epoch
        targeted = [(t, p) for target in group.targets.values() for t, partitions in target.items() for p in partitions]
        assert len(targeted) == len(set(targeted))
        assert {m.topic_regex for m in group.members.values() if m.topic_regex} >= group.regexes.keys()
        assert GROUP not in self.cluster.coordinator._registry.groups

    @invariant()
    def the_log_says_all_that_lasts(self) -> None:
        now = durable(self.cluster.coordinator)
        assert durable(replayed(self.cluster.fresh, self.cluster.log)) == now
        assert durable(replayed(self.cluster.fresh, list(now.items()))) == now

    @invariant()
    def every_member_has_a_deadline(self) -> None:
        group = self.group
        for member_id in group.members if group is not None else ():
            assert self.cluster.coordinator._registry.timers.get(("consumer-session", GROUP, member_id)) is not None


TestConsumerGroups = ConsumerGroupMachine.TestCase
TestConsumerGroups.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
