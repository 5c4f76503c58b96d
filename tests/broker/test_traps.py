"""What other brokers got wrong so that real clients failed: each trap by its name, over a real socket.

Told in their own places: the v0-format reply of ApiVersions and the versions of Produce (`test_api_versions`), its
header (`test_connection`), the version that clients infer (`tests/interop/test_inferred_version`).
"""

from __future__ import annotations

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create
from tests.broker.data import batch, fetch_request, produce, produce_request

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.api_versions import ApiVersionsRequest
from tidings.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tidings.wire.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from tidings.wire.messages.describe_cluster import DescribeClusterRequest
from tidings.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from tidings.wire.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from tidings.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tidings.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

TOPIC = 2
"""Kind of resource, in requests about settings."""


# --- null is not empty ---


async def test_settings_of_a_created_topic_are_a_list_not_null(client: Client) -> None:
    """Java goes through them without looking."""
    for version in (5, 6, 7):
        topic = CreatableTopic(name=f"new-{version}", num_partitions=1, replication_factor=1)
        (created,) = (await client.ask(CreateTopicsRequest(topics=[topic]), version)).topics
        assert created.error_code == ErrorCode.NONE
        assert created.configs


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_settings_of_what_is_not_there_are_an_empty_list_not_null(client: Client, version: int) -> None:
    asked = DescribeConfigsResource(resource_type=TOPIC, resource_name="nothing", configuration_keys=None)
    (result,) = (await client.ask(DescribeConfigsRequest(resources=[asked]), version)).results
    assert (result.error_code, result.configs) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, [])


async def test_eligible_leader_replicas_are_an_empty_list_not_null(client: Client) -> None:
    request = DescribeTopicPartitionsRequest(topics=[TopicRequest(name="orders")])
    (topic,) = (await client.ask(request, 0)).topics
    assert [(p.eligible_leader_replicas, p.last_known_elr) for p in topic.partitions] == [([], []), ([], [])]


@pytest.mark.parametrize("version", [0, 1])
async def test_quotas_that_nobody_has_are_an_empty_list_not_null(client: Client, version: int) -> None:
    anyone = ComponentData(entity_type="user", match_type=2, match=None)
    reply = await client.ask(DescribeClientQuotasRequest(components=[anyone]), version)
    assert (reply.error_code, reply.entries) == (ErrorCode.NONE, [])


async def test_the_controller_is_a_node_that_is_there_not_minus_one(client: Client) -> None:
    """An admin client whose controller is -1 looks for one until its time is over."""
    for version in range(1, 14):
        reply = await client.ask(MetadataRequest(topics=[]), version)
        assert reply.controller_id in [node.node_id for node in reply.brokers]
    for version in range(3):
        reply = await client.ask(DescribeClusterRequest(), version)
        assert reply.controller_id in [node.broker_id for node in reply.brokers]


# --- metadata ---


@pytest.mark.parametrize("version", range(4))
async def test_before_version_4_asking_for_a_topic_is_leave_to_create_it(client: Client, version: int) -> None:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=f"asked-in-{version}")])
    (topic,) = (await client.ask(request, version)).topics
    assert topic.error_code in (ErrorCode.NONE, ErrorCode.LEADER_NOT_AVAILABLE)
    (topic,) = (await client.ask(request, 4)).topics
    assert topic.error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", range(1, 14))
async def test_from_version_1_null_topics_are_all_and_an_empty_list_is_none(client: Client, version: int) -> None:
    everything = await client.ask(MetadataRequest(topics=None), version)
    assert "orders" in [topic.name for topic in everything.topics]
    assert (await client.ask(MetadataRequest(topics=[]), version)).topics == []


async def test_in_version_0_an_empty_list_is_all_topics(client: Client) -> None:
    everything = await client.ask(MetadataRequest(topics=[]), 0)
    assert "orders" in [topic.name for topic in everything.topics]


async def test_a_topic_created_again_has_a_higher_leader_epoch(live: Broker, client: Client) -> None:
    """A client that knows of a higher epoch takes what it is told for old, and asks for ever."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name="orders")], allow_auto_topic_creation=False)
    (before,) = (await client.ask(request, 13)).topics
    await live.catalog.delete([live.catalog.topics["orders"]])
    await create(live, "orders", 2)
    (after,) = (await client.ask(request, 13)).topics
    assert after.topic_id != before.topic_id
    assert after.partitions[0].leader_epoch > before.partitions[0].leader_epoch


# --- groups ---


@pytest.mark.parametrize("version", range(1, 11))
async def test_offsets_of_a_group_nobody_knows_are_minus_one_and_no_error(
    live: Broker, client: Client, version: int
) -> None:
    old = [OffsetFetchRequestTopic(name="orders", partition_indexes=[0])]
    topic_id = live.catalog.topics["orders"].id
    new = [OffsetFetchRequestTopics(name="orders", topic_id=topic_id, partition_indexes=[0])]
    group = OffsetFetchRequestGroup(group_id="unheard of", topics=new)
    reply = await client.ask(OffsetFetchRequest(group_id="unheard of", topics=old, groups=[group]), version)
    (found,) = [reply] if version < 8 else reply.groups
    ((partition,),) = [topic.partitions for topic in found.topics]
    assert (found.error_code, partition.error_code) == (ErrorCode.NONE, ErrorCode.NONE)
    assert (partition.committed_offset, partition.metadata) == (-1, "")


async def test_what_is_committed_with_an_offset_comes_back_with_it(client: Client) -> None:
    assert await commit(client, 9, name="orders", metadata="from the night run") == ErrorCode.NONE
    wanted = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0])]
    groups = [OffsetFetchRequestGroup(group_id="readers", topics=wanted)]
    reply = await client.ask(OffsetFetchRequest(groups=groups), 9)
    assert reply.groups[0].topics[0].partitions[0].metadata == "from the night run"


@pytest.mark.parametrize(("version", "is_first_told"), [(3, False), (4, True), (9, True)])
async def test_from_version_4_a_new_member_is_first_told_its_id(
    client: Client, version: int, is_first_told: bool
) -> None:
    request = JoinGroupRequest(
        group_id="readers",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    reply = await client.ask(request, version)
    assert reply.error_code == (ErrorCode.MEMBER_ID_REQUIRED if is_first_told else ErrorCode.NONE)
    assert reply.member_id
    request.member_id = reply.member_id
    assert (await client.ask(request, version)).error_code == ErrorCode.NONE


# --- records ---


async def test_produce_tells_which_records_of_a_batch_were_refused(live: Broker, client: Client) -> None:
    await create(live, "customers", cleanup_policy="compact")
    refused = await produce(client, batch(b"a", b"b"), topic="customers")
    assert refused.error_code == ErrorCode.INVALID_RECORD
    assert [(one.batch_index, bool(one.batch_index_error_message)) for one in refused.record_errors] == [
        (0, True),
        (1, True),
    ]


# --- topics by id alone ---


async def test_produce_13_knows_topics_by_id_only(live: Broker, client: Client) -> None:
    request = produce_request(batch(b"a"))
    for topic_id, code in ((live.catalog.topics["orders"].id, 0), (b"\7" * 16, ErrorCode.UNKNOWN_TOPIC_ID)):
        request.topic_data[0].topic_id = topic_id
        (topic,) = (await client.ask(request, 13)).responses
        assert (topic.topic_id, topic.partition_responses[0].error_code) == (topic_id, code)


@pytest.mark.parametrize("version", [13, 17])
async def test_fetch_from_13_on_knows_topics_by_id_only(live: Broker, client: Client, version: int) -> None:
    request = fetch_request(("orders", 0, 0))
    for topic_id, code in ((live.catalog.topics["orders"].id, 0), (b"\7" * 16, ErrorCode.UNKNOWN_TOPIC_ID)):
        request.topics[0].topic_id = topic_id
        (topic,) = (await client.ask(request, version)).responses
        assert (topic.topic_id, topic.partitions[0].error_code) == (topic_id, code)


async def test_offset_commit_10_and_offset_fetch_10_know_topics_by_id_only(live: Broker, client: Client) -> None:
    topic_id = live.catalog.topics["orders"].id
    assert await commit(client, 10, topic_id=topic_id) == ErrorCode.NONE
    assert await commit(client, 10, topic_id=b"\7" * 16) == ErrorCode.UNKNOWN_TOPIC_ID
    wanted = [OffsetFetchRequestTopics(topic_id=known, partition_indexes=[0]) for known in (topic_id, b"\7" * 16)]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="readers", topics=wanted)])
    mine, nobodys = (await client.ask(request, 10)).groups[0].topics
    assert (mine.topic_id, mine.partitions[0].committed_offset) == (topic_id, 7)
    assert nobodys.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def commit(
    client: Client, version: int, *, name: str = "", topic_id: bytes = NULL_UUID, metadata: str = ""
) -> int:
    """Commit offset 7 of the first partition; the error code."""
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata=metadata)
    topic = OffsetCommitRequestTopic(name=name, topic_id=topic_id, partitions=[partition])
    reply = await client.ask(OffsetCommitRequest(group_id="readers", topics=[topic]), version)
    return int(reply.topics[0].partitions[0].error_code)


# --- features ---


@pytest.mark.parametrize("version", [3, 4])
async def test_transaction_version_2_is_in_force_before_clients_use_it(client: Client, version: int) -> None:
    request = ApiVersionsRequest(client_software_name="librdkafka", client_software_version="2.6.0")
    reply = await client.ask(request, version)
    in_force = {feature.name: feature.max_version_level for feature in reply.finalized_features}
    assert in_force["transaction.version"] == 2
    assert reply.finalized_features_epoch >= 0
