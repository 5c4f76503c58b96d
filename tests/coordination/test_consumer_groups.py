"""Groups of the consumer protocol (KIP-848): claims about heartbeats, epochs, and who may read what when."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordination.consumer_client import REBALANCE_MS, ConsumerClient, consumer_group, heartbeat, settle
from tests.coordination.harness import GROUP, Cluster, Topics, durable, orders_and_payments

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.consumer.group import ConsumerGroupState
from tidings.coordination.groups.consumer.member import MemberState
from tidings.coordination.groups.states import GroupState
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest, DescribedGroup
from tidings.wire.messages.consumer_group_heartbeat import TopicPartitions
from tidings.wire.messages.delete_groups import DeleteGroupsRequest
from tidings.wire.messages.describe_groups import DescribeGroupsRequest
from tidings.wire.messages.list_groups import ListGroupsRequest
from tidings.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup

ORDERS = b"\x01" * 16
SESSION_MS = GroupConfig().consumer_session_timeout_ms
EVERYTHING = {"orders": {0, 1, 2, 3}}


@pytest.fixture
def a(cluster: Cluster) -> ConsumerClient:
    """The first member."""
    client = ConsumerClient(cluster, "a", "orders")
    client.beat()
    return client


@pytest.fixture
def b(cluster: Cluster) -> ConsumerClient:
    """One that is yet to join."""
    return ConsumerClient(cluster, "b", "orders")


# --- joining and sharing ---


def test_a_lone_member_reads_everything_with_its_first_heartbeat(cluster: Cluster, a: ConsumerClient) -> None:
    assert (a.epoch, a.partitions) == (1, EVERYTHING)
    assert consumer_group(cluster).state is ConsumerGroupState.STABLE


def test_a_second_member_waits_for_what_the_first_gives_up(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    b.beat()
    assert (b.epoch, b.partitions) == (2, {})
    a.beat()
    assert a.epoch == 1  # its epoch waits for the revocation
    assert a.assigned == {(ORDERS, 0), (ORDERS, 1)}
    b.beat()
    assert b.partitions == {}  # it has not said that it gave them up
    a.revoke()
    a.beat()
    assert a.epoch == 2
    b.beat()
    assert b.partitions == {"orders": {2, 3}}
    assert consumer_group(cluster).state is ConsumerGroupState.STABLE


def test_nothing_is_told_to_a_member_of_which_nothing_changed(cluster: Cluster, a: ConsumerClient) -> None:
    before = len(cluster.log)
    reply = heartbeat(cluster, "a", 1)
    assert (reply.error_code, reply.assignment, reply.heartbeat_interval_ms) == (0, None, 5_000)
    assert len(cluster.log) == before


def test_a_member_that_waits_for_others_is_to_ask_again_soon(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    b.beat()
    assert heartbeat(cluster, "b", 2).heartbeat_interval_ms == 500
    settle(a, b)
    assert heartbeat(cluster, "b", 2).heartbeat_interval_ms == 5_000


def test_a_member_that_says_everything_is_told_everything(cluster: Cluster, a: ConsumerClient) -> None:
    a.says_all = True
    a.reading = set()
    a.beat()
    assert a.partitions == EVERYTHING


def test_members_without_a_subscription_are_members(cluster: Cluster, a: ConsumerClient) -> None:
    idle = ConsumerClient(cluster, "idle")
    settle(a, idle)
    assert (idle.epoch, idle.partitions, a.partitions) == (2, {}, EVERYTHING)


def test_what_a_member_leaves_goes_to_the_others(cluster: Cluster, a: ConsumerClient, b: ConsumerClient) -> None:
    settle(a, b)
    assert a.leave() is ErrorCode.NONE
    b.beat()
    assert b.partitions == EVERYTHING


def test_the_last_one_leaves_an_empty_group(cluster: Cluster, a: ConsumerClient) -> None:
    a.leave()
    assert consumer_group(cluster).state is ConsumerGroupState.EMPTY
    assert consumer_group(cluster).epoch == 2


def test_in_version_0_the_coordinator_chooses_the_member_id(cluster: Cluster) -> None:
    reply = heartbeat(cluster, "", 0, version=0)
    assert reply.error_code == ErrorCode.NONE
    assert reply.member_id


# --- subscriptions ---


def test_a_new_subscription_takes_effect_at_once_for_what_is_free(cluster: Cluster, a: ConsumerClient) -> None:
    a.subscribe("orders", "payments")
    a.beat()
    assert (a.epoch, a.partitions) == (2, {"orders": {0, 1, 2, 3}, "payments": {0, 1}})


def test_a_topic_that_grows_is_assigned_anew(cluster: Cluster, a: ConsumerClient) -> None:
    cluster.topics["orders"] = (ORDERS, 6)
    a.beat()
    assert a.partitions == {"orders": set(range(6))}


def test_a_topic_that_is_created_later_is_read_then(cluster: Cluster) -> None:
    early = ConsumerClient(cluster, "early", "later")
    early.beat()
    assert early.partitions == {}
    cluster.topics["later"] = (b"\x07" * 16, 1)
    early.beat()
    assert early.partitions == {"later": {0}}


def test_a_topic_that_is_deleted_is_given_up(cluster: Cluster, a: ConsumerClient) -> None:
    del cluster.topics["orders"]
    settle(a)
    assert a.reading == set()
    assert consumer_group(cluster).state is ConsumerGroupState.STABLE


def test_a_regular_expression_reads_what_matches_now_and_later(cluster: Cluster) -> None:
    client = ConsumerClient(cluster, "r", regex="p.*")
    client.beat()
    client.beat()
    assert client.partitions == {"payments": {0, 1}}
    cluster.topics["packets"] = (b"\x07" * 16, 1)
    client.beat()
    assert client.partitions == {"payments": {0, 1}, "packets": {0}}
    client.leave()
    assert consumer_group(cluster).regexes == {}


def test_names_and_expressions_add_up(cluster: Cluster) -> None:
    client = ConsumerClient(cluster, "r", "orders", regex="p.*")
    settle(client)
    assert client.partitions.keys() == {"orders", "payments"}


def test_an_expression_counts_in_a_group_that_was_at_rest(cluster: Cluster, a: ConsumerClient) -> None:
    settle(a)
    client = ConsumerClient(cluster, "r", regex="p.*")
    settle(client, rounds=2)
    assert client.partitions == {"payments": {0, 1}}


def test_a_new_expression_counts_from_the_next_heartbeat_on_which_comes_soon(cluster: Cluster) -> None:
    """So it is in Kafka, which tries it on all topics in the background, and clients' tests rely on it."""
    client = ConsumerClient(cluster, "r", "orders", regex="p.*")
    client.beat()
    assert client.partitions.keys() == {"orders"}
    assert client.interval_ms == 500
    client.beat()
    assert client.partitions.keys() == {"orders", "payments"}
    assert client.interval_ms == 5_000
    another = ConsumerClient(cluster, "s", regex="p.*")
    client.leave()
    another.beat()
    assert another.partitions == {}  # with the last one who subscribed to it, it was forgotten
    another.beat()
    once_more = ConsumerClient(cluster, "t", regex="p.*")
    once_more.beat()
    assert consumer_group(cluster).targets["t"] != {}  # while somebody does, it is known at once


@pytest.mark.parametrize("regex", ["(", "(?=p).*", "(p)\\1"])
def test_an_expression_that_is_none_is_refused(cluster: Cluster, regex: str) -> None:
    reply = heartbeat(cluster, "r", 0, subscribed_topic_regex=regex)
    assert reply.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert f"`{regex}` is not a valid regular expression" in (reply.error_message or "")
    assert cluster.log == []


def test_the_assignor_most_members_ask_for_is_used(cluster: Cluster, a: ConsumerClient, b: ConsumerClient) -> None:
    a.assignor, a.says_all = "range", True
    settle(a, b)
    assert described(cluster).assignor_name == "range"
    assert (a.partitions, b.partitions) == ({"orders": {0, 1}}, {"orders": {2, 3}})


# --- epochs ---


def test_a_member_whose_reply_was_lost_goes_on_with_its_last_epoch(cluster: Cluster, a: ConsumerClient) -> None:
    a.subscribe("orders", "payments")
    a.beat(lost=True)
    assert a.beat() is ErrorCode.NONE
    assert a.epoch == 2


@pytest.mark.parametrize("epoch", [2, 7])
def test_a_member_with_a_wrong_epoch_is_fenced(cluster: Cluster, a: ConsumerClient, epoch: int) -> None:
    for topics in (["payments"], ["orders"], ["orders", "payments"]):
        a.subscribe(*topics)
        settle(a)
    reply = heartbeat(cluster, "a", epoch, topic_partitions=[])
    assert (a.epoch, reply.error_code) == (4, ErrorCode.FENCED_MEMBER_EPOCH)


def test_the_previous_epoch_is_not_taken_from_one_who_has_more_than_its_own(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    b.beat()
    settle(a, rounds=2)
    settle(b, rounds=1)
    assert (a.epoch, a.partitions) == (2, {"orders": {0, 1}})
    for partitions in ([0, 1, 2], None):
        owned = None if partitions is None else [TopicPartitions(topic_id=ORDERS, partitions=partitions)]
        assert heartbeat(cluster, "a", 1, topic_partitions=owned).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    owned = [TopicPartitions(topic_id=ORDERS, partitions=[0])]
    assert heartbeat(cluster, "a", 1, topic_partitions=owned).error_code == ErrorCode.NONE


def test_a_fenced_member_joins_again_under_its_id(cluster: Cluster, a: ConsumerClient) -> None:
    a.give_up()
    assert a.beat() is ErrorCode.NONE
    assert a.partitions == EVERYTHING


def test_strangers_are_told_so(cluster: Cluster, a: ConsumerClient) -> None:
    assert heartbeat(cluster, "x", 1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert heartbeat(cluster, "x", -1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert heartbeat(cluster, "a", 1, group_id="nobody").error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert heartbeat(cluster, "a", -1, group_id="nobody").error_code == ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize(
    ("member_id", "epoch", "options", "message"),
    [
        ("", 0, {}, "MemberId can't be empty."),
        ("", 1, {}, "MemberId can't be empty."),
        ("m" * 8192, 0, {}, "MemberId is longer than 8191 characters."),
        ("m", 0, {"group_id": " "}, "GroupId can't be empty."),
        ("m", 0, {"instance_id": ""}, "InstanceId can't be empty."),
        ("m", 0, {"rack_id": ""}, "RackId can't be empty."),
        ("m", 0, {"rebalance_timeout_ms": -1}, "RebalanceTimeoutMs must be provided in first request."),
        ("m", 0, {"topic_partitions": None}, "TopicPartitions must be empty when (re-)joining."),
        (
            "m", 0, {"topic_partitions": [TopicPartitions(topic_id=ORDERS, partitions=[0])]},
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            "m", 0, {"subscribed_topic_names": None},
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        ("m", -2, {}, "InstanceId can't be null."),
        ("m", -3, {}, "MemberEpoch is invalid."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    cluster: Cluster, member_id: str, epoch: int, options: dict[str, Any], message: str
) -> None:
    reply = heartbeat(cluster, member_id, epoch, **options)
    assert (reply.error_code, reply.error_message) == (ErrorCode.INVALID_REQUEST, message)
    assert cluster.log == []


def test_an_assignor_we_do_not_have_is_refused(cluster: Cluster) -> None:
    reply = heartbeat(cluster, "m", 0, server_assignor="cooperative-sticky")
    assert reply.error_code == ErrorCode.UNSUPPORTED_ASSIGNOR
    assert "Supported assignors: uniform, range." in (reply.error_message or "")


def test_a_full_group_takes_no_more_members() -> None:
    cluster = Cluster(GroupConfig(consumer_members_max=1))
    first = ConsumerClient(cluster, "a", "orders")
    assert first.beat() is ErrorCode.NONE
    assert ConsumerClient(cluster, "b", "orders").beat() is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert first.beat() is ErrorCode.NONE


# --- time ---


def test_a_silent_member_is_given_up_after_the_session_timeout(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    settle(a, b)
    cluster.pass_time(SESSION_MS - 1)
    b.beat()
    cluster.pass_time(1)
    assert consumer_group(cluster).members.keys() == {"b"}
    b.beat()
    assert b.partitions == EVERYTHING
    assert a.beat() is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_group_may_have_a_session_timeout_and_heartbeat_interval_of_its_own() -> None:
    cluster = Cluster()
    own = {(GROUP, "consumer.session.timeout.ms"): "60000", (GROUP, "consumer.heartbeat.interval.ms"): "9000"}
    cluster.coordinator._registry._own_setting = lambda group_id, name: own.get((group_id, name))
    assert heartbeat(cluster, "a", 0).heartbeat_interval_ms == 9_000
    assert heartbeat(cluster, "a", 0, group_id="another").heartbeat_interval_ms == 5_000
    cluster.pass_time(59_999)
    assert heartbeat(cluster, "a", 1).error_code == ErrorCode.NONE
    assert heartbeat(cluster, "a", 1, group_id="another").error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_does_not_give_up_in_time_is_given_up_itself(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    b.beat()
    a.beat()
    for _ in range(3):
        cluster.pass_time(REBALANCE_MS // 3 - 1)
        a.beat()  # it is alive, and clings to all it has
        b.beat()
    assert consumer_group(cluster).members["a"].state is MemberState.UNREVOKED_PARTITIONS
    cluster.pass_time(3)
    assert a.beat() is ErrorCode.UNKNOWN_MEMBER_ID
    b.beat()
    assert b.partitions == EVERYTHING


def test_a_member_that_gave_up_in_time_has_nothing_to_fear(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    settle(a, b)
    cluster.pass_time(REBALANCE_MS + 1)
    assert consumer_group(cluster).members.keys() == {"a", "b"}


def test_after_a_restart_members_go_on_and_have_their_whole_time(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    settle(a, b)
    before = durable(cluster.coordinator)
    cluster.pass_time(SESSION_MS - 1)
    cluster.restart()
    assert durable(cluster.coordinator) == before
    cluster.pass_time(SESSION_MS - 1)
    assert (a.beat(), b.beat()) == (ErrorCode.NONE, ErrorCode.NONE)
    assert durable(cluster.coordinator) == before


# --- static members ---


def a_static_member(cluster: Cluster, member_id: str, instance_id: str = "shelf-1") -> ConsumerClient:
    return ConsumerClient(cluster, member_id, "orders", instance_id=instance_id)


def test_a_static_member_that_comes_back_has_what_it_had_and_nobody_else_notices(
    cluster: Cluster, b: ConsumerClient
) -> None:
    static = a_static_member(cluster, "s1")
    settle(static, b)
    had, epoch = static.reading, consumer_group(cluster).epoch
    assert static.leave(for_a_while=True) is ErrorCode.NONE
    b.beat()
    assert len(b.reading) == 2
    again = a_static_member(cluster, "s2")
    again.beat()
    assert (again.reading, again.epoch) == (had, epoch)
    assert consumer_group(cluster).epoch == epoch
    assert consumer_group(cluster).members.keys() == {"s2", "b"}
    assert heartbeat(cluster, "s1", epoch, instance_id="shelf-1").error_code == ErrorCode.FENCED_INSTANCE_ID


def test_a_static_member_that_does_not_come_back_is_given_up_after_its_session(
    cluster: Cluster, b: ConsumerClient
) -> None:
    static = a_static_member(cluster, "s1")
    settle(static, b)
    static.leave(for_a_while=True)
    cluster.pass_time(SESSION_MS // 2)
    b.beat()
    cluster.pass_time(SESSION_MS // 2)
    b.beat()
    assert b.partitions == EVERYTHING


def test_an_instance_id_is_not_given_away_while_its_owner_is_there(cluster: Cluster) -> None:
    static = a_static_member(cluster, "s1")
    static.beat()
    assert a_static_member(cluster, "s2").beat() is ErrorCode.UNRELEASED_INSTANCE_ID
    assert static.beat() is ErrorCode.NONE


def test_a_static_member_that_leaves_for_good_is_gone(cluster: Cluster) -> None:
    static = a_static_member(cluster, "s1")
    static.beat()
    static.leave()
    assert consumer_group(cluster).members == {}
    assert heartbeat(cluster, "s1", 1, instance_id="shelf-1").error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert a_static_member(cluster, "s2").beat() is ErrorCode.NONE


# --- offsets ---


def test_a_commit_needs_the_members_epoch(cluster: Cluster, a: ConsumerClient) -> None:
    at = ("orders", 0)
    assert cluster.commit({at: 5}, member_id="a", generation=1) == {at: ErrorCode.NONE}
    assert cluster.commit({at: 6}, member_id="a", generation=2) == {at: ErrorCode.STALE_MEMBER_EPOCH}
    assert cluster.commit({at: 7}, member_id="x", generation=1) == {at: ErrorCode.UNKNOWN_MEMBER_ID}
    assert cluster.commit({at: 8}) == {at: ErrorCode.UNKNOWN_MEMBER_ID}
    assert cluster.commit({at: 9}, member_id="a", generation=1, version=8) == {at: ErrorCode.UNSUPPORTED_VERSION}
    assert cluster.offsets() == {at: 5}


def test_an_older_epoch_commits_what_the_member_has_had_since(
    cluster: Cluster, a: ConsumerClient, b: ConsumerClient
) -> None:
    settle(a, b)
    commits = {("orders", 0): 5, ("orders", 2): 6}
    assert a.partitions == {"orders": {0, 1}}
    assert cluster.commit(commits, member_id="a", generation=1) == {
        ("orders", 0): ErrorCode.NONE,
        ("orders", 2): ErrorCode.STALE_MEMBER_EPOCH,
    }
    b.leave()
    settle(a)
    assert (a.epoch, a.partitions) == (3, EVERYTHING)  # it has partition 2 again: since epoch 3
    assert cluster.commit({("orders", 2): 7}, member_id="a", generation=2) == {
        ("orders", 2): ErrorCode.STALE_MEMBER_EPOCH
    }
    assert cluster.offsets() == {("orders", 0): 5}


def test_anyone_commits_for_an_empty_group(cluster: Cluster, a: ConsumerClient) -> None:
    a.leave()
    assert cluster.commit({("orders", 0): 5}) == {("orders", 0): ErrorCode.NONE}
    assert consumer_group(cluster).state is ConsumerGroupState.EMPTY
    assert list(cluster.coordinator._registry.groups) == []


@pytest.mark.parametrize(
    ("member_id", "epoch", "code"),
    [
        ("a", 1, ErrorCode.NONE),
        ("a", 0, ErrorCode.STALE_MEMBER_EPOCH),
        ("x", 1, ErrorCode.UNKNOWN_MEMBER_ID),
        (None, -1, ErrorCode.NONE),
    ],
)
def test_a_fetch_of_offsets_needs_the_members_epoch_if_a_member_asks(
    cluster: Cluster, a: ConsumerClient, member_id: str | None, epoch: int, code: ErrorCode
) -> None:
    cluster.commit({("orders", 0): 5}, member_id="a", generation=1)
    wanted = OffsetFetchRequestGroup(group_id=GROUP, member_id=member_id, member_epoch=epoch, topics=None)
    (group,) = cluster.ask("fetch_offsets", OffsetFetchRequest(groups=[wanted]), 9).groups
    assert group.error_code == code
    assert len(group.topics) == (code is ErrorCode.NONE)


def test_offsets_of_topics_that_are_read_are_not_deleted(cluster: Cluster, a: ConsumerClient) -> None:
    cluster.commit({("orders", 0): 5, ("payments", 0): 6}, member_id="a", generation=1)
    partitions = [OffsetDeleteRequestPartition(partition_index=0)]
    topics = [OffsetDeleteRequestTopic(name=name, partitions=partitions) for name in ("orders", "payments")]
    reply = cluster.ask("delete_offsets", OffsetDeleteRequest(group_id=GROUP, topics=topics), 0)
    codes = [topic.partitions[0].error_code for topic in reply.topics]
    assert codes == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE]
    assert cluster.offsets() == {("orders", 0): 5}


def test_offsets_expire_a_week_after_their_commit_and_the_empty_group_with_them(
    cluster: Cluster, a: ConsumerClient
) -> None:
    cluster.commit({("orders", 0): 5}, member_id="a", generation=1)
    a.leave()
    cluster.pass_time(cluster.config.offsets_retention_ms - 1)
    assert cluster.offsets() == {("orders", 0): 5}
    cluster.pass_time(cluster.config.offsets_retention_check_interval_ms)
    assert durable(cluster.coordinator) == {}
    assert cluster.coordinator._registry.consumer_groups == {}


# --- seen from outside ---


def described(cluster: Cluster, group_id: str = GROUP) -> DescribedGroup:
    request = ConsumerGroupDescribeRequest(group_ids=[group_id], include_authorized_operations=True)
    (group,) = cluster.ask("describe_consumer_groups", request, 1).groups
    assert isinstance(group, DescribedGroup)
    return group


def test_a_group_is_described(cluster: Cluster, a: ConsumerClient, b: ConsumerClient) -> None:
    b.beat()
    a.beat()
    group = described(cluster)
    assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Reconciling", 2, 2)
    assert (group.assignor_name, group.authorized_operations) == ("uniform", 0b110101001000)
    first = next(member for member in group.members if member.member_id == "a")
    (has,), (is_to_have,) = first.assignment.topic_partitions, first.target_assignment.topic_partitions
    assert (has.topic_id, has.topic_name, has.partitions) == (ORDERS, "orders", [0, 1])
    assert is_to_have.partitions == [0, 1]
    assert (first.client_id, first.client_host, first.member_epoch) == ("app", "/127.0.0.1", 1)
    assert (first.subscribed_topic_names, first.member_type) == (["orders"], 1)


def test_what_is_no_such_group_is_said_to_be_none(cluster: Cluster) -> None:
    absent = described(cluster)
    assert (absent.error_code, absent.error_message) == (ErrorCode.GROUP_ID_NOT_FOUND, "Group readers not found.")
    cluster.stable()
    classic = described(cluster)
    assert classic.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert classic.error_message == "Group readers is not a consumer group."


def test_describe_groups_does_not_know_it(cluster: Cluster, a: ConsumerClient) -> None:
    (group,) = cluster.ask("describe", DescribeGroupsRequest(groups=[GROUP]), 6).groups
    assert (group.error_code, group.group_state) == (ErrorCode.GROUP_ID_NOT_FOUND, "Dead")
    assert group.error_message == "Group readers is not a classic group."


@pytest.mark.parametrize(
    ("states", "types", "listed"),
    [
        ([], [], True), (["stable"], ["Consumer"], True), ([], ["classic"], False), (["Empty"], [], False),
        ([], ["what"], False),
    ],
)  # fmt: skip
def test_groups_are_listed_by_state_and_type(
    cluster: Cluster, a: ConsumerClient, states: list[str], types: list[str], listed: bool
) -> None:
    reply = cluster.ask("list", ListGroupsRequest(states_filter=states, types_filter=types), 5)
    found = [(group.group_id, group.group_type, group.protocol_type, group.group_state) for group in reply.groups]
    assert found == ([(GROUP, "consumer", "consumer", "Stable")] if listed else [])


def test_only_an_empty_group_can_be_deleted_and_nothing_of_it_is_left(cluster: Cluster, a: ConsumerClient) -> None:
    cluster.commit({("orders", 0): 5}, member_id="a", generation=1)
    request = DeleteGroupsRequest(groups_names=[GROUP])
    assert cluster.ask("delete", request, 2).results[0].error_code == ErrorCode.NON_EMPTY_GROUP
    a.leave()
    assert cluster.ask("delete", request, 2).results[0].error_code == ErrorCode.NONE
    assert durable(cluster.coordinator) == {}
    assert cluster.ask("delete", request, 2).results[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND


# --- beside the classic protocol ---


def test_an_empty_classic_group_becomes_one_of_the_consumer_protocol_and_keeps_its_offsets(cluster: Cluster) -> None:
    (join,) = cluster.stable()
    cluster.commit({("orders", 0): 5}, member_id=join.member_id, generation=join.generation_id)
    cluster.leave(join.member_id)
    client = ConsumerClient(cluster, "a", "orders")
    assert client.beat() is ErrorCode.NONE
    assert cluster.coordinator.state_of(GROUP) is GroupState.DEAD
    assert cluster.offsets() == {("orders", 0): 5}


def test_an_empty_group_of_the_consumer_protocol_becomes_a_classic_one_and_keeps_its_offsets(
    cluster: Cluster, a: ConsumerClient
) -> None:
    cluster.commit({("orders", 0): 5}, member_id="a", generation=1)
    a.leave()
    cluster.stable()
    assert cluster.coordinator.state_of(GROUP) is GroupState.STABLE
    assert cluster.coordinator._registry.consumer_groups == {}
    assert cluster.offsets() == {("orders", 0): 5}
    assert a.beat() is ErrorCode.GROUP_ID_NOT_FOUND


def test_a_topic_made_anew_under_its_name_is_another(cluster: Cluster, a: ConsumerClient) -> None:
    cluster.topics["orders"] = (b"\x09" * 16, 4)
    settle(a)
    assert {topic_id for topic_id, _ in a.reading} == {b"\x09" * 16}


def test_ten_thousand_partitions_are_shared_by_fifty_members() -> None:
    cluster = Cluster(topics=Topics(orders_and_payments(), orders=(ORDERS, 10_000)))
    clients = [ConsumerClient(cluster, f"m{n:03}", "orders") for n in range(50)]
    settle(*clients, rounds=4)
    assert {len(client.reading) for client in clients} == {200}
