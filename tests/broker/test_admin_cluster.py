"""What tools ask of a cluster, answered by one node: partitions page by page, elections, reassignments, the quorum."""

from __future__ import annotations

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_quorum import DescribeQuorumRequest, PartitionRequest
from tidings.wire.messages.describe_quorum import TopicRequest as QuorumTopic
from tidings.wire.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest, TopicRequest
from tidings.wire.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from tidings.wire.messages.list_partition_reassignments import ListPartitionReassignmentsRequest


async def test_pages_of_partitions_follow_each_other_without_a_gap(live: Broker, client: Client) -> None:
    await create(live, "a", 3)
    await create(live, "b", 1)
    found: list[tuple[str, int]] = []
    cursor: Cursor | None = None
    asked = [TopicRequest(name=name) for name in ("orders", "b", "a")]
    for _ in range(10):
        request = DescribeTopicPartitionsRequest(topics=asked, response_partition_limit=2, cursor=cursor)
        response = await client.ask(request, 0)
        page = [(topic.name, part.partition_index) for topic in response.topics for part in topic.partitions]
        assert 1 <= len(page) <= 2
        found += page
        cursor = response.next_cursor
        if cursor is None:
            break
    assert found == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("orders", 0), ("orders", 1)]


async def test_no_names_mean_all_topics_and_no_list_is_null(live: Broker, client: Client) -> None:
    response = await client.ask(DescribeTopicPartitionsRequest(topics=[], response_partition_limit=-5), 0)
    assert [topic.name for topic in response.topics] == ["__consumer_offsets"]  # a limit below 1 is 1
    assert response.next_cursor == Cursor(topic_name="orders", partition_index=0)
    response = await client.ask(DescribeTopicPartitionsRequest(topics=[]), 0)
    internal, orders = response.topics
    assert (internal.is_internal, orders.is_internal) == (True, False)
    assert orders.topic_id == live.catalog.topics["orders"].id
    for part in orders.partitions:
        assert (part.error_code, part.leader_id, part.replica_nodes, part.isr_nodes) == (0, 1, [1], [1])
        assert part.eligible_leader_replicas == part.last_known_elr == part.offline_replicas == []


async def test_a_topic_that_is_not_there_is_told_so_and_one_that_cannot_be(client: Client) -> None:
    names = [TopicRequest(name="no such"), TopicRequest(name="nothing")]
    response = await client.ask(DescribeTopicPartitionsRequest(topics=names), 0)
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        ("no such", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("nothing", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_no_election_is_needed(client: Client, version: int) -> None:
    asked = [TopicPartitions(topic="orders", partitions=[0, 2]), TopicPartitions(topic="no", partitions=[0])]
    response = await client.ask(ElectLeadersRequest(topic_partitions=asked), version)
    codes = [[part.error_code for part in topic.partition_result] for topic in response.replica_election_results]
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes == [[ErrorCode.ELECTION_NOT_NEEDED, unknown], [unknown]]
    everything = await client.ask(ElectLeadersRequest(topic_partitions=None), version)
    assert (everything.error_code, everything.replica_election_results) == (ErrorCode.NONE, [])


async def test_an_election_of_an_unknown_kind_is_refused(client: Client) -> None:
    response = await client.ask(ElectLeadersRequest(election_type=7, topic_partitions=None), 2)
    assert response.error_code == ErrorCode.INVALID_REQUEST


async def test_nothing_is_being_reassigned(client: Client) -> None:
    response = await client.ask(ListPartitionReassignmentsRequest(topics=None), 0)
    assert (response.error_code, response.error_message, response.topics) == (ErrorCode.NONE, None, [])


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_this_node_is_the_quorum(live: Broker, client: Client, version: int) -> None:
    request = DescribeQuorumRequest(
        topics=[QuorumTopic(topic_name="__cluster_metadata", partitions=[PartitionRequest(partition_index=0)])]
    )
    response = await client.ask(request, version)
    ((partition,),) = [topic.partitions for topic in response.topics]
    assert (partition.error_code, partition.leader_id, partition.observers) == (ErrorCode.NONE, 1, [])
    (voter,) = partition.current_voters
    assert voter.replica_id == 1
    assert partition.high_watermark == voter.log_end_offset == live.catalog.end_offset > 0
    if version >= 1:
        assert voter.last_caught_up_timestamp > 0
    if version >= 2:
        (node,) = response.nodes
        assert [(listener.host, listener.port) for listener in node.listeners] == [live.address]


async def test_there_is_no_quorum_but_that_of_the_catalog(client: Client) -> None:
    request = DescribeQuorumRequest(
        topics=[QuorumTopic(topic_name="orders", partitions=[PartitionRequest(partition_index=0)])]
    )
    response = await client.ask(request, 2)
    assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
