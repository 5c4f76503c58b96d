"""Metadata and DescribeCluster: what clients are told of the cluster, in every version."""

from __future__ import annotations

import asyncio

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker
from tests.broker.data import batch, produce

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from tidings.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse

NEWEST = 13
NOBODY = bytes(15) + b"\1"


async def ask(client: Client, *names: str, version: int = NEWEST, create: bool = False) -> MetadataResponse:
    topics = [MetadataRequestTopic(name=name) for name in names]
    response = await client.ask(MetadataRequest(topics=topics, allow_auto_topic_creation=create), version)
    assert isinstance(response, MetadataResponse)
    return response


def names(response: MetadataResponse) -> set[str | None]:
    return {topic.name for topic in response.topics}


@pytest.mark.parametrize("version", range(NEWEST + 1))
async def test_every_version_tells_of_broker_topic_and_partitions(live: Broker, client: Client, version: int) -> None:
    response = await ask(client, "orders", version=version)
    (broker,) = response.brokers
    assert (broker.node_id, broker.host, broker.port) == (1, *live.address)
    (topic,) = response.topics
    assert (topic.error_code, topic.name) == (ErrorCode.NONE, "orders")
    assert [partition.partition_index for partition in topic.partitions] == [0, 1]
    for partition in topic.partitions:
        assert (partition.error_code, partition.leader_id) == (ErrorCode.NONE, 1)
        assert partition.replica_nodes == partition.isr_nodes == [1]
        assert partition.offline_replicas == []
    if version >= 1:
        assert response.controller_id == 1
        assert not topic.is_internal
    if version >= 2:
        assert response.cluster_id == live.cluster_id
    if version >= 7:
        assert topic.partitions[0].leader_epoch == 0
    if version >= 10:
        assert topic.topic_id == live.catalog.topics["orders"].id


async def test_no_list_means_all_topics(live: Broker, client: Client) -> None:
    everything = {"orders", "__consumer_offsets"}
    assert names(await client.ask(MetadataRequest(topics=[]), 0)) == everything
    assert names(await client.ask(MetadataRequest(topics=None), 1)) == everything
    response = await client.ask(MetadataRequest(topics=None), NEWEST)
    assert names(response) == everything
    assert {topic.name for topic in response.topics if topic.is_internal} == {"__consumer_offsets"}


async def test_empty_list_means_no_topics(client: Client) -> None:
    for version in range(1, NEWEST + 1):
        response = await ask(client, version=version)
        assert response.topics == []
        assert len(response.brokers) == 1


async def test_a_topic_asked_for_twice_is_answered_once(client: Client) -> None:
    assert len((await ask(client, "orders", "orders")).topics) == 1


# Creating what is asked for.


@pytest.mark.parametrize("version", [0, 1, 3, 4, NEWEST])
async def test_missing_topic_is_created_and_answered_at_once(live: Broker, client: Client, version: int) -> None:
    (topic,) = (await ask(client, "letters", version=version, create=True)).topics
    assert (topic.error_code, len(topic.partitions)) == (ErrorCode.NONE, 1)
    assert (await produce(client, batch(b"dear"), topic="letters")).error_code == ErrorCode.NONE


async def test_created_topics_have_the_partitions_the_broker_is_set_to(open_broker: OpenBroker) -> None:
    broker = await open_broker(num_partitions=3)
    async with await Client.connect(broker.address) as client:
        (topic,) = (await ask(client, "letters", create=True)).topics
    assert len(topic.partitions) == 3


async def test_nothing_is_created_unless_client_and_broker_agree(live: Broker, open_broker: OpenBroker) -> None:
    async with await Client.connect(live.address) as client:
        (topic,) = (await ask(client, "letters", create=False)).topics
        assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await live.close()
    broker = await open_broker(auto_create_topics=False)
    async with await Client.connect(broker.address) as client:
        (topic,) = (await ask(client, "letters", create=True)).topics
        assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert "letters" not in broker.catalog.topics


@pytest.mark.parametrize("create_them", [True, False])
async def test_bad_names_are_said_to_be_bad(client: Client, create_them: bool) -> None:
    response = await ask(client, "a b", "..", "x" * 250, "orders", create=create_them)
    bad = [topic.name for topic in response.topics if topic.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION]
    assert bad == ["a b", "..", "x" * 250]


async def test_many_who_ask_for_the_same_missing_topic_all_get_it(live: Broker) -> None:
    clients = [await Client.connect(live.address) for _ in range(8)]
    responses = await asyncio.gather(*(ask(client, "letters", create=True) for client in clients))
    for client, response in zip(clients, responses, strict=True):
        assert [topic.error_code for topic in response.topics] == [ErrorCode.NONE]
        await client.close()


async def test_client_that_hangs_up_while_a_topic_is_created_breaks_nothing(live: Broker) -> None:
    hasty = await Client.connect(live.address)
    hasty.send(MetadataRequest(topics=[MetadataRequestTopic(name="letters")], allow_auto_topic_creation=True), NEWEST)
    await hasty.close()
    async with await Client.connect(live.address) as client:
        (topic,) = (await ask(client, "letters", create=True)).topics
    assert topic.error_code == ErrorCode.NONE


# By id.


async def test_topics_can_be_asked_for_by_id(live: Broker, client: Client) -> None:
    topic_id = live.catalog.topics["orders"].id
    asked = [MetadataRequestTopic(topic_id=topic_id, name=None), MetadataRequestTopic(topic_id=NOBODY, name=None)]
    for version in (12, NEWEST):
        known, unknown = (await client.ask(MetadataRequest(topics=asked), version)).topics
        assert (known.error_code, known.name, known.topic_id) == (ErrorCode.NONE, "orders", topic_id)
        assert (unknown.error_code, unknown.name, unknown.topic_id) == (ErrorCode.UNKNOWN_TOPIC_ID, None, NOBODY)


async def test_ids_before_version_12_are_an_invalid_request(live: Broker, client: Client) -> None:
    asked = [MetadataRequestTopic(topic_id=live.catalog.topics["orders"].id, name=None)]
    (topic,) = (await client.ask(MetadataRequest(topics=asked), 11)).topics
    assert topic.error_code == ErrorCode.INVALID_REQUEST


# The rest.


async def test_partition_that_cannot_be_opened_has_no_leader(live: Broker, client: Client) -> None:
    live.catalog.topics["orders"].partitions[1].fault = "the folder is missing"
    (topic,) = (await ask(client, "orders")).topics
    good, bad = topic.partitions
    assert topic.error_code == good.error_code == ErrorCode.NONE
    assert (bad.error_code, bad.leader_id, bad.offline_replicas) == (ErrorCode.LEADER_NOT_AVAILABLE, -1, [1])
    assert bad.replica_nodes == [1]


async def test_operations_are_told_only_if_asked_for(client: Client) -> None:
    response = await ask(client, "orders", version=8)
    assert response.cluster_authorized_operations == response.topics[0].topic_authorized_operations == -(1 << 31)
    asked = MetadataRequest(
        topics=[MetadataRequestTopic(name="orders")],
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    )
    response = await client.ask(asked, 8)
    assert response.cluster_authorized_operations & (1 << 5), "topics may be created"
    assert response.topics[0].topic_authorized_operations & (1 << 3), "the topic may be read"


async def test_advertised_address_is_what_clients_are_told(open_broker: OpenBroker) -> None:
    broker = await open_broker(host="127.0.0.1", advertised="broker.example:9999")
    host, port = "127.0.0.1", broker_port(broker)
    async with await Client.connect((host, port)) as client:
        (told,) = (await ask(client)).brokers
        assert (told.host, told.port) == ("broker.example", 9999)
        (told,) = (await client.ask(DescribeClusterRequest(), 0)).brokers
        assert (told.host, told.port) == ("broker.example", 9999)


async def test_who_listens_everywhere_is_found_where_the_client_reached_it(open_broker: OpenBroker) -> None:
    broker = await open_broker(host="0.0.0.0")
    for host in ("127.0.0.1", "127.0.0.2"):
        async with await Client.connect((host, broker.address[1])) as client:
            (told,) = (await ask(client)).brokers
            assert (told.host, told.port) == (host, broker.address[1])


def broker_port(broker: Broker) -> int:
    """Where it really listens."""
    assert broker._server is not None
    port = broker._server.sockets[0].getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_cluster_is_this_node(live: Broker, client: Client, version: int) -> None:
    response = await client.ask(DescribeClusterRequest(include_cluster_authorized_operations=True), version)
    assert isinstance(response, DescribeClusterResponse)
    assert (response.error_code, response.cluster_id, response.controller_id) == (ErrorCode.NONE, live.cluster_id, 1)
    (broker,) = response.brokers
    assert (broker.broker_id, broker.host, broker.port) == (1, *live.address)
    assert response.cluster_authorized_operations > 0


async def test_controllers_are_not_to_be_asked_for_here(client: Client) -> None:
    response = await client.ask(DescribeClusterRequest(endpoint_type=2), 1)
    assert response.error_code == ErrorCode.MISMATCHED_ENDPOINT_TYPE
    response = await client.ask(DescribeClusterRequest(endpoint_type=7), 1)
    assert response.error_code == ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
