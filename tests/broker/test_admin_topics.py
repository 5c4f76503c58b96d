"""CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords, DescribeLogDirs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import batch, produce

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from tidings.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
)
from tidings.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from tidings.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tidings.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResult,
)


def wanted(name: str, partitions: int = 1, factor: int = 1, **configs: str | None) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def assigned(name: str, *replicas: tuple[int, list[int]], **changes: Any) -> CreatableTopic:
    assignments = [CreatableReplicaAssignment(partition_index=index, broker_ids=ids) for index, ids in replicas]
    return CreatableTopic(
        name=name, **{"num_partitions": -1, "replication_factor": -1, "assignments": assignments, **changes}
    )


async def ask_to_create(
    client: Client, *topics: CreatableTopic, version: int = 7, validate_only: bool = False
) -> dict[str, CreatableTopicResult]:
    response = await client.ask(CreateTopicsRequest(topics=list(topics), validate_only=validate_only), version)
    return {topic.name: topic for topic in response.topics}


# Creating.


@pytest.mark.parametrize("version", range(2, 8))
async def test_every_version_creates_a_topic(live: Broker, client: Client, version: int) -> None:
    result = (await ask_to_create(client, wanted("letters", 3, retention_ms="1000"), version=version))["letters"]
    assert (result.error_code, result.error_message) == (ErrorCode.NONE, None)
    topic = live.catalog.topics["letters"]
    assert (len(topic.partitions), topic.configs) == (3, {"retention.ms": "1000"})
    if version >= 5:
        assert (result.num_partitions, result.replication_factor) == (3, 1)
        assert result.configs is not None
        configs = {config.name: config for config in result.configs}
        assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == ("1000", 1)
        assert (configs["segment.ms"].value, configs["segment.ms"].config_source) == ("604800000", 5)
    if version >= 7:
        assert result.topic_id == topic.id


async def test_created_topic_is_there_after_a_restart(live: Broker, client: Client, open_broker: OpenBroker) -> None:
    result = (await ask_to_create(client, wanted("letters", 2)))["letters"]
    await produce(client, batch(b"dear"), topic="letters", index=1)
    await live.close()
    again = await open_broker()
    assert again.catalog.topics["letters"].id == result.topic_id
    assert again.catalog.partition("letters", 1).end_offset == 1


async def test_broker_decides_what_is_left_to_it(open_broker: OpenBroker) -> None:
    broker = await open_broker(num_partitions=4)
    async with await Client.connect(broker.address) as client:
        result = (await ask_to_create(client, wanted("letters", -1, -1)))["letters"]
    assert (result.num_partitions, result.replication_factor) == (4, 1)


async def test_assignment_to_this_node_is_accepted(live: Broker, client: Client) -> None:
    result = (await ask_to_create(client, assigned("letters", (1, [1]), (0, [1]))))["letters"]
    assert (result.error_code, result.num_partitions) == (ErrorCode.NONE, 2)


async def test_each_topic_is_created_or_refused_on_its_own(live: Broker, client: Client) -> None:
    results = await ask_to_create(client, wanted("good"), wanted("bad name"), wanted("orders"), wanted("also-good"))
    assert {name: result.error_code for name, result in results.items()} == {
        "good": ErrorCode.NONE,
        "bad name": ErrorCode.INVALID_TOPIC_EXCEPTION,
        "orders": ErrorCode.TOPIC_ALREADY_EXISTS,
        "also-good": ErrorCode.NONE,
    }


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (wanted("t", 0), ErrorCode.INVALID_PARTITIONS),
        (wanted("t", -2), ErrorCode.INVALID_PARTITIONS),
        (wanted("t", 10_001), ErrorCode.POLICY_VIOLATION),
        (wanted("t", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (wanted("t", 1, -2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (wanted("t", 1, 3), ErrorCode.INVALID_REPLICATION_FACTOR),
        (wanted("t", retention_ms="soon"), ErrorCode.INVALID_CONFIG),
        (wanted("t", retention_ms=None), ErrorCode.INVALID_CONFIG),
        (wanted("t", no_such_thing="1"), ErrorCode.INVALID_CONFIG),
        (wanted("t", remote_storage_enable="true"), ErrorCode.INVALID_CONFIG),
        (wanted("t", max_compaction_lag_ms="1", min_compaction_lag_ms="2"), ErrorCode.INVALID_CONFIG),
        (wanted("orders.x_y"), ErrorCode.NONE),
        (wanted("__cluster_metadata"), ErrorCode.TOPIC_AUTHORIZATION_FAILED),
        (assigned("t", (0, [2])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1, 1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (1, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1]), (0, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned("t", (0, [1]), num_partitions=1), ErrorCode.INVALID_REQUEST),
        (assigned("t", (0, [1]), replication_factor=1), ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_cannot_be_had_is_refused_as_kafka_refuses_it(
    live: Broker, client: Client, topic: CreatableTopic, error: ErrorCode
) -> None:
    for validate_only in (True, False):
        (result,) = (await ask_to_create(client, topic, validate_only=validate_only)).values()
        assert result.error_code == error
        assert bool(result.error_message) == (error is not ErrorCode.NONE)
        if error is not ErrorCode.NONE or validate_only:
            assert topic.name not in live.catalog.topics


async def test_refusal_of_copies_says_that_there_is_one_node(client: Client) -> None:
    (result,) = (await ask_to_create(client, wanted("t", 1, 3))).values()
    assert "one node" in (result.error_message or "")


async def test_topic_named_twice_is_not_created(live: Broker, client: Client) -> None:
    response = await client.ask(CreateTopicsRequest(topics=[wanted("t"), wanted("t", 2)]), 7)
    assert [(topic.name, topic.error_code) for topic in response.topics] == [("t", ErrorCode.INVALID_REQUEST)]
    assert "t" not in live.catalog.topics


async def test_validation_alone_creates_nothing(live: Broker, client: Client) -> None:
    (result,) = (await ask_to_create(client, wanted("t", 5), validate_only=True)).values()
    assert (result.error_code, result.num_partitions) == (ErrorCode.NONE, 5)
    assert "t" not in live.catalog.topics


# Deleting.


@pytest.mark.parametrize("version", range(1, 7))
async def test_every_version_deletes_a_topic(live: Broker, client: Client, version: int) -> None:
    topic_id = live.catalog.topics["orders"].id
    asked = DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")], topic_names=["orders"])
    (result,) = (await client.ask(asked, version)).responses
    assert (result.error_code, result.name) == (ErrorCode.NONE, "orders")
    if version >= 6:
        assert result.topic_id == topic_id
    assert "orders" not in live.catalog.topics
    assert not (live.config.data / "orders-0").exists()


async def test_topic_is_deleted_by_id_even_after_one_of_the_same_name(live: Broker, client: Client) -> None:
    old_id = live.catalog.topics["orders"].id
    await client.ask(DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=old_id)]), 6)
    await create(live, "orders")
    (result,) = (await client.ask(DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=old_id)]), 6)).responses
    assert (result.error_code, result.name) == (ErrorCode.UNKNOWN_TOPIC_ID, None)
    assert "orders" in live.catalog.topics


async def test_deleted_topic_takes_no_more_records_and_its_name_is_free(live: Broker, client: Client) -> None:
    await produce(client, batch(b"old"))
    await client.ask(DeleteTopicsRequest(topic_names=["orders"]), 3)
    assert (await produce(client, batch(b"late"))).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await create(live, "orders")
    assert (await produce(client, batch(b"new"))).base_offset == 0


async def test_what_cannot_be_deleted_is_refused(live: Broker, client: Client) -> None:
    orders = live.catalog.topics["orders"].id
    states = [
        DeleteTopicState(name="nothing"),
        DeleteTopicState(topic_id=bytes(15) + b"\1"),
        DeleteTopicState(name="__consumer_offsets"),
        DeleteTopicState(name="orders", topic_id=orders),
        DeleteTopicState(),
    ]
    response = await client.ask(DeleteTopicsRequest(topics=states), 6)
    assert [result.error_code for result in response.responses] == [
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_REQUEST,
    ]
    assert "orders" in live.catalog.topics


async def test_topic_named_twice_is_not_deleted(live: Broker, client: Client) -> None:
    response = await client.ask(DeleteTopicsRequest(topic_names=["orders", "orders"]), 5)
    assert [result.error_code for result in response.responses] == [ErrorCode.INVALID_REQUEST]
    assert "orders" in live.catalog.topics


# Growing.


async def ask_to_grow(
    client: Client, *topics: CreatePartitionsTopic, version: int = 3, validate_only: bool = False
) -> dict[str, CreatePartitionsTopicResult]:
    response = await client.ask(CreatePartitionsRequest(topics=list(topics), validate_only=validate_only), version)
    return {result.name: result for result in response.results}


def grown(name: str, count: int, *assignments: list[int]) -> CreatePartitionsTopic:
    given = [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments]
    return CreatePartitionsTopic(name=name, count=count, assignments=given or None)


@pytest.mark.parametrize("version", range(4))
async def test_topic_grows_and_keeps_its_records(live: Broker, client: Client, version: int) -> None:
    await produce(client, batch(b"kept"))
    result = (await ask_to_grow(client, grown("orders", 5), version=version))["orders"]
    assert (result.error_code, result.error_message) == (ErrorCode.NONE, None)
    assert len(live.catalog.topics["orders"].partitions) == 5
    assert (await produce(client, batch(b"new"), index=4)).error_code == ErrorCode.NONE
    assert live.catalog.partition("orders", 0).end_offset == 1


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        (grown("orders", 2), ErrorCode.INVALID_PARTITIONS),
        (grown("orders", 1), ErrorCode.INVALID_PARTITIONS),
        (grown("orders", 20_000), ErrorCode.POLICY_VIOLATION),
        (grown("nothing", 2), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (grown("__consumer_offsets", 50), ErrorCode.INVALID_PARTITIONS),
        (grown("orders", 4, [1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (grown("orders", 3, [2]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (grown("orders", 3, [1]), ErrorCode.NONE),
    ],
)
async def test_topic_grows_only_as_kafka_lets_it(
    live: Broker, client: Client, topic: CreatePartitionsTopic, error: ErrorCode
) -> None:
    (result,) = (await ask_to_grow(client, topic, validate_only=True)).values()
    assert result.error_code == error
    assert len(live.catalog.topics["orders"].partitions) == 2
    (result,) = (await ask_to_grow(client, topic)).values()
    assert result.error_code == error


async def test_topic_named_twice_does_not_grow(live: Broker, client: Client) -> None:
    results = await ask_to_grow(client, grown("orders", 3), grown("orders", 4))
    assert results["orders"].error_code == ErrorCode.INVALID_REQUEST
    assert len(live.catalog.topics["orders"].partitions) == 2


# Forgetting records.


async def ask_to_forget(client: Client, topic: str, index: int, offset: int, version: int = 2) -> tuple[int, int]:
    partition = DeleteRecordsPartition(partition_index=index, offset=offset)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[partition])])
    ((result,),) = [answer.partitions for answer in (await client.ask(request, version)).topics]
    return result.error_code, result.low_watermark


@pytest.mark.parametrize("version", range(3))
async def test_log_begins_where_it_is_told_to(live: Broker, client: Client, version: int) -> None:
    for value in (b"a", b"b", b"c"):
        await produce(client, batch(value))
    assert await ask_to_forget(client, "orders", 0, 2, version) == (ErrorCode.NONE, 2)
    assert await ask_to_forget(client, "orders", 0, 1, version) == (ErrorCode.NONE, 2)
    assert await ask_to_forget(client, "orders", 0, -1, version) == (ErrorCode.NONE, 3)
    assert live.catalog.partition("orders", 0).log_start_offset == 3


async def test_what_cannot_be_forgotten_is_refused(live: Broker, client: Client) -> None:
    await create(live, "table", cleanup_policy="compact")
    assert await ask_to_forget(client, "orders", 0, 1) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert await ask_to_forget(client, "orders", 0, -2) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert await ask_to_forget(client, "orders", 9, 0) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert await ask_to_forget(client, "table", 0, 0) == (ErrorCode.POLICY_VIOLATION, -1)
    assert await ask_to_forget(client, "__consumer_offsets", 0, 0) == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)


# Weighing.


async def sizes(client: Client, topics: list[DescribableLogDirTopic] | None, version: int = 5) -> DescribeLogDirsResult:
    response = await client.ask(DescribeLogDirsRequest(topics=topics), version)
    (result,) = response.results
    assert isinstance(result, DescribeLogDirsResult)
    assert (response.error_code, result.error_code) == (ErrorCode.NONE, ErrorCode.NONE)
    return result


@pytest.mark.parametrize("version", range(1, 6))
async def test_folder_and_sizes_are_told(live: Broker, client: Client, version: int) -> None:
    sent = batch(b"x" * 500)
    await produce(client, sent)
    result = await sizes(client, None, version)
    assert result.log_dir == str(live.config.data)
    found = {(t.name, p.partition_index): p.partition_size for t in result.topics for p in t.partitions}
    assert found[("orders", 0)] == len(sent)
    assert found[("orders", 1)] == 0
    assert ("__consumer_offsets", 0) in found
    if version >= 4:
        assert 0 < result.usable_bytes <= result.total_bytes


async def test_only_what_is_asked_for_and_there_is_weighed(client: Client) -> None:
    asked = [
        DescribableLogDirTopic(topic="orders", partitions=[1, 1, 7]),
        DescribableLogDirTopic(topic="nothing", partitions=[0]),
    ]
    result = await sizes(client, asked)
    assert [(topic.name, [p.partition_index for p in topic.partitions]) for topic in result.topics] == [("orders", [1])]
    assert (await sizes(client, [])).topics == []
