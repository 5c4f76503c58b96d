"""Groups change their protocol while members are in them (KIP-848): claims about who reads what meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordination.classic_client import ClassicClient
from tests.coordination.consumer_client import ConsumerClient, Partition, consumer_group
from tests.coordination.harness import GROUP, Cluster, durable, replayed

from tidings.coordination.groups.config import GroupConfig, MigrationPolicy
from tidings.coordination.groups.consumer.group import ConsumerGroupState
from tidings.coordination.groups.consumer.member import MemberState
from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from tidings.wire.messages.leave_group import MemberIdentity

AnyClient = ClassicClient | ConsumerClient
ORDERS = b"\x01" * 16
EVERYTHING = {(ORDERS, partition) for partition in range(4)}
eagerness = pytest.mark.parametrize("is_eager", [True, False])


def settle(cluster: Cluster, *clients: AnyClient, rounds: int = 12) -> None:
    """Let all do what they do, with the time that the classic protocol takes. Nothing is read by two on the way."""
    for _ in range(rounds):
        for client in clients:
            client.beat()
            client.revoke()
            check_disjoint(*clients)
        cluster.pass_time(200)


def check_disjoint(*clients: AnyClient) -> None:
    read = [partition for client in clients for partition in client.reading]
    assert len(read) == len(set(read))


def all_read(*clients: AnyClient) -> set[Partition]:
    check_disjoint(*clients)
    return set[Partition]().union(*(client.reading for client in clients))


def of_policy(policy: MigrationPolicy) -> Cluster:
    return Cluster(GroupConfig(migration_policy=policy))


@pytest.fixture
def classic(cluster: Cluster) -> ClassicClient:
    """The only member of a classic group."""
    client = ClassicClient(cluster, "orders", is_eager=False)
    settle(cluster, client)
    assert client.reading == EVERYTHING
    return client


# --- up ---


@eagerness
def test_a_classic_group_is_upgraded_when_a_member_of_the_consumer_protocol_joins(
    cluster: Cluster, is_eager: bool
) -> None:
    classic = [ClassicClient(cluster, "orders", is_eager=is_eager) for _ in range(2)]
    settle(cluster, *classic)
    assert all_read(*classic) == EVERYTHING
    consumer = ConsumerClient(cluster, "c", "orders")
    assert consumer.beat() is ErrorCode.NONE
    assert consumer.reading == set()  # all of it still belongs to others
    settle(cluster, *classic, consumer)
    assert all_read(*classic, consumer) == EVERYTHING
    assert {*(len(client.reading) for client in classic), len(consumer.reading)} == {1, 2}
    assert consumer_group(cluster).state is ConsumerGroupState.STABLE


def test_a_member_that_keeps_what_it_has_reads_on_all_the_while(cluster: Cluster, classic: ClassicClient) -> None:
    consumer = ConsumerClient(cluster, "c", "orders")
    kept = set(EVERYTHING)
    for _ in range(8):
        consumer.beat()
        classic.beat()
        kept &= classic.reading
        check_disjoint(classic, consumer)
    assert kept == classic.reading
    assert len(kept) == 2


@pytest.mark.parametrize("policy", ["disabled", "downgrade"])
def test_without_leave_a_classic_group_stays_what_it_is(policy: MigrationPolicy) -> None:
    cluster = of_policy(policy)
    classic = ClassicClient(cluster, "orders")
    settle(cluster, classic)
    assert ConsumerClient(cluster, "c", "orders").beat() is ErrorCode.GROUP_ID_NOT_FOUND
    assert classic.beat() is ErrorCode.NONE


def test_a_group_of_another_kind_of_client_is_not_upgraded(cluster: Cluster) -> None:
    cluster.stable({"protocol_type": "connect"})
    assert ConsumerClient(cluster, "c", "orders").beat() is ErrorCode.GROUP_ID_NOT_FOUND
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_a_group_whose_members_speak_a_dialect_is_not_upgraded(cluster: Cluster) -> None:
    cluster.stable({"protocols": {"range": b"\0\1?"}})
    assert ConsumerClient(cluster, "c", "orders").beat() is ErrorCode.GROUP_ID_NOT_FOUND
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_who_waits_for_the_next_generation_is_told_to_join_again(cluster: Cluster, classic: ClassicClient) -> None:
    late = ClassicClient(cluster, "orders", is_eager=False)
    late.beat()
    assert late.joining is not None
    consumer = ConsumerClient(cluster, "c", "orders")
    consumer.beat()
    assert late.beat() is ErrorCode.REBALANCE_IN_PROGRESS
    settle(cluster, classic, late, consumer)
    assert all_read(classic, late, consumer) == EVERYTHING


def test_what_a_member_has_not_confirmed_to_have_given_up_is_nobodys_yet(
    cluster: Cluster, classic: ClassicClient
) -> None:
    other = ClassicClient(cluster, "orders", is_eager=False)
    other.beat()
    classic.beat()  # it is to join again
    classic.beat()  # and does, with all it has
    reading = set(classic.reading)
    assert classic.syncing is None
    classic.reading = set(EVERYTHING)  # it was told to give up, and takes its time
    consumer = ConsumerClient(cluster, "c", "orders")
    for _ in range(3):
        consumer.beat()
        assert consumer.reading == set()
    (member,) = [m for m in consumer_group(cluster).members.values() if m.member_id == classic.member_id]
    assert member.state is MemberState.UNREVOKED_PARTITIONS
    assert {(t, p) for t, parts in member.assigned.items() for p in parts} == reading
    settle(cluster, classic, other, consumer)
    assert all_read(classic, other, consumer) == EVERYTHING


def test_offsets_stay_where_they_were(cluster: Cluster, classic: ClassicClient) -> None:
    cluster.commit({("orders", 0): 7}, member_id=classic.member_id, generation=classic.generation, version=7)
    ConsumerClient(cluster, "c", "orders").beat()
    assert cluster.offsets() == {("orders", 0): 7}
    committed: dict[str, Any] = {"member_id": classic.member_id, "version": 2}
    assert cluster.commit({("orders", 0): 8}, generation=classic.generation, **committed) == {("orders", 0): 0}
    stale = cluster.commit({("orders", 0): 9}, generation=classic.generation - 1, **committed)
    assert stale == {("orders", 0): ErrorCode.ILLEGAL_GENERATION}


# --- beside each other ---


@pytest.fixture
def mixed(cluster: Cluster, classic: ClassicClient) -> tuple[ClassicClient, ConsumerClient]:
    """The members of a group of both protocols, at rest."""
    consumer = ConsumerClient(cluster, "c", "orders")
    settle(cluster, classic, consumer)
    return classic, consumer


Mixed = tuple[ClassicClient, ConsumerClient]


def test_a_description_tells_who_speaks_what(cluster: Cluster, mixed: Mixed) -> None:
    (group,) = cluster.ask("describe_consumer_groups", ConsumerGroupDescribeRequest(group_ids=[GROUP]), 1).groups
    assert {member.member_id: member.member_type for member in group.members} == {mixed[0].member_id: 0, "c": 1}


def test_a_classic_member_that_is_silent_is_given_up_after_the_session_it_asked_for(
    cluster: Cluster, mixed: Mixed
) -> None:
    classic, consumer = mixed
    cluster.pass_time(9_000)
    assert classic.member_id in consumer_group(cluster).members
    cluster.pass_time(1_000)
    assert classic.member_id not in consumer_group(cluster).members
    settle(cluster, consumer)
    assert consumer.reading == EVERYTHING


@pytest.mark.parametrize("until", ["join", "sync"])
def test_a_classic_member_that_does_not_join_or_sync_in_time_is_given_up(
    cluster: Cluster, mixed: Mixed, until: str
) -> None:
    classic, consumer = mixed
    member_id, generation = classic.member_id, classic.generation
    consumer.subscribe("orders", "payments")
    consumer.beat()
    if until == "sync":
        reply = cluster.join_now(
            member_id, protocols={"cooperative-sticky": classic._subscription()}, rebalance_ms=5_000
        )
        generation = reply.generation_id
    for _ in range(5):
        assert member_id in consumer_group(cluster).members
        cluster.heartbeat(member_id, generation)
        consumer.beat()
        cluster.pass_time(1_000)
    assert member_id not in consumer_group(cluster).members


def test_classic_requests_of_a_member_of_the_consumer_protocol_are_refused(cluster: Cluster, mixed: Mixed) -> None:
    consumer = mixed[1]
    assert cluster.heartbeat("c", consumer.epoch) == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.synced(cluster.sync("c", consumer.epoch)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.leave("c").members[0].error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert cluster.heartbeat(mixed[0].member_id, 99) == ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize(
    "options",
    [{"protocol_type": "connect"}, {"protocols": {"another": b"\0\0"}}, {"protocols": {"cooperative-sticky": b"?"}}],
)
def test_who_does_not_fit_in_is_refused(cluster: Cluster, mixed: Mixed, options: dict[str, Any]) -> None:
    assert cluster.join_now(**options).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_full_group_takes_no_guest() -> None:
    cluster = Cluster(GroupConfig(consumer_members_max=1))
    ConsumerClient(cluster, "c", "orders").beat()
    assert ClassicClient(cluster, "orders").beat() is ErrorCode.GROUP_MAX_SIZE_REACHED


@pytest.mark.parametrize("first", ["classic", "consumer"])
def test_a_static_member_changes_its_protocol_and_keeps_what_it_has(cluster: Cluster, first: str) -> None:
    other = ConsumerClient(cluster, "other", "orders")
    other.beat()
    one: AnyClient = ClassicClient(cluster, "orders", instance_id="shelf-1")
    two: AnyClient = ConsumerClient(cluster, "static", "orders", instance_id="shelf-1")
    before, after = (one, two) if first == "classic" else (two, one)
    settle(cluster, other, before)
    had, others = before.reading, other.reading
    before.give_up()  # its process ends without a word
    settle(cluster, other, after)
    assert (after.reading, other.reading) == (had, others)
    assert len(consumer_group(cluster).members) == 2


def test_an_operator_sends_a_static_member_away_whatever_it_speaks(cluster: Cluster, classic: ClassicClient) -> None:
    static = ConsumerClient(cluster, "static", "orders", instance_id="shelf-1")
    static.beat()
    reply = cluster.leave(MemberIdentity(member_id="", group_instance_id="shelf-1"))
    assert reply.members[0].error_code == ErrorCode.NONE
    assert static.member_id not in consumer_group(cluster).members


# --- down ---


@eagerness
def test_when_the_last_member_of_the_consumer_protocol_leaves_the_group_is_classic_again(
    cluster: Cluster, is_eager: bool
) -> None:
    consumer = ConsumerClient(cluster, "c", "orders")
    classic = [ClassicClient(cluster, "orders", is_eager=is_eager) for _ in range(2)]
    settle(cluster, consumer, *classic)
    generations = [client.generation for client in classic]
    consumer.leave()
    cluster.pass_time(0)
    assert cluster.coordinator.state_of(GROUP) is GroupState.PREPARING_REBALANCE
    had = [set(client.reading) for client in classic]
    assert [client.beat() for client in classic] == [ErrorCode.REBALANCE_IN_PROGRESS] * 2  # nobody has lost anything
    assert [client.reading for client in classic] == had
    settle(cluster, *classic)
    assert all_read(*classic) == EVERYTHING
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    assert min(client.generation for client in classic) > max(generations)


def test_when_it_falls_silent_the_same_happens() -> None:
    cluster = Cluster(GroupConfig(consumer_session_timeout_ms=3_000))
    consumer = ConsumerClient(cluster, "c", "orders")
    classic = ClassicClient(cluster, "orders")
    settle(cluster, consumer, classic)
    settle(cluster, classic, rounds=20)
    assert classic.reading == EVERYTHING
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_a_static_member_that_was_the_last_of_the_consumer_protocol_comes_back_as_a_classic_one(
    cluster: Cluster, classic: ClassicClient
) -> None:
    static = ConsumerClient(cluster, "static", "orders", instance_id="shelf-1")
    settle(cluster, classic, static)
    static.give_up()
    again = ClassicClient(cluster, "orders", is_eager=False, instance_id="shelf-1")
    settle(cluster, classic, again)
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    assert all_read(classic, again) == EVERYTHING


@pytest.mark.parametrize("policy", ["disabled", "upgrade"])
def test_without_leave_it_stays_a_group_of_the_consumer_protocol(policy: MigrationPolicy) -> None:
    cluster = of_policy(policy)
    consumer, classic = ConsumerClient(cluster, "c", "orders"), ClassicClient(cluster, "orders")
    settle(cluster, consumer, classic)
    consumer.leave()
    settle(cluster, classic)
    assert classic.reading == EVERYTHING
    assert consumer_group(cluster).members.keys() == {classic.member_id}


@pytest.mark.parametrize("records", [0, 1, 2])
def test_a_restart_anywhere_on_the_way_down_changes_nothing(cluster: Cluster, mixed: Mixed, records: int) -> None:
    classic, consumer = mixed
    consumer.leave()
    if records:
        cluster.pass_time(0)
    if records == 2:
        classic.beat()
        classic.connection_is_lost()
    cluster.restart()
    settle(cluster, classic)
    assert classic.reading == EVERYTHING
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE


def test_a_group_goes_up_and_down_again_and_the_log_tells_it_all(cluster: Cluster, classic: ClassicClient) -> None:
    for number in range(3):
        consumer = ConsumerClient(cluster, f"c{number}", "orders")
        settle(cluster, classic, consumer)
        assert all_read(classic, consumer) == EVERYTHING
        consumer.leave()
        settle(cluster, classic)
        assert classic.reading == EVERYTHING
    assert durable(replayed(cluster.fresh, cluster.log)) == durable(cluster.coordinator)
