"""An admin client as people have it (librdkafka's): topics and settings made, seen, changed and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)
from tests.broker.data import batch

from tidings.broker.server import Broker

TIMEOUT_S = 20


@pytest.fixture
def admin(live: Broker) -> AdminClient:
    host, port = live.address
    return AdminClient({"bootstrap.servers": f"{host}:{port}", "log.connection.close": False})


async def outcome(futures: Mapping[Any, Any]) -> Any:
    """Of the one thing that was asked for."""
    (future,) = futures.values()
    return await asyncio.wrap_future(future)


async def refused_with(futures: Mapping[Any, Any]) -> int:
    with pytest.raises(KafkaException) as error:
        await outcome(futures)
    code = error.value.args[0].code()
    assert isinstance(code, int)
    return code


async def listed(admin: AdminClient) -> dict[str, int]:
    metadata = await asyncio.to_thread(admin.list_topics, timeout=TIMEOUT_S)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


async def test_topic_from_creation_to_deletion(live: Broker, admin: AdminClient) -> None:
    await outcome(admin.create_topics([NewTopic("letters", 3, 1, config={"retention.ms": "1000"})]))
    assert await refused_with(admin.create_topics([NewTopic("letters", 1, 1)])) == KafkaError.TOPIC_ALREADY_EXISTS
    assert await refused_with(admin.create_topics([NewTopic("other", 1, 3)])) == KafkaError.INVALID_REPLICATION_FACTOR
    described = await outcome(admin.describe_topics(TopicCollection(["letters"]), include_authorized_operations=True))
    assert [partition.leader.id for partition in described.partitions] == [1, 1, 1]
    await outcome(admin.create_partitions([NewPartitions("letters", 4)]))
    assert await refused_with(admin.create_partitions([NewPartitions("letters", 2)])) == KafkaError.INVALID_PARTITIONS
    assert (await listed(admin))["letters"] == 4
    await outcome(admin.delete_topics(["letters"]))
    assert "letters" not in await listed(admin)
    assert await refused_with(admin.delete_topics(["letters"])) == KafkaError.UNKNOWN_TOPIC_OR_PART


async def test_settings_are_described_and_altered(live: Broker, admin: AdminClient) -> None:
    async def described() -> dict[str, ConfigEntry]:
        found = await outcome(admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, "orders")]))
        assert isinstance(found, dict)
        return found

    async def alter(name: str, value: str | None, operation: AlterConfigOpType) -> None:
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.TOPIC, "orders", incremental_configs=[entry])
        await outcome(admin.incremental_alter_configs([resource]))

    before = (await described())["cleanup.policy"]
    assert (before.value, before.is_default) == ("delete", True)
    await alter("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    after = (await described())["cleanup.policy"]
    assert (after.value, after.is_default) == ("delete,compact", False)
    await alter("cleanup.policy", None, AlterConfigOpType.DELETE)
    assert (await described())["cleanup.policy"].value == "delete"
    with pytest.raises(KafkaException):
        await alter("cleanup.policy", "burn", AlterConfigOpType.SET)


async def test_cluster_and_its_broker_are_described(live: Broker, admin: AdminClient) -> None:
    cluster = await asyncio.wrap_future(admin.describe_cluster(include_authorized_operations=True))
    assert cluster.cluster_id == live.cluster_id
    assert [(node.id, node.host, node.port) for node in cluster.nodes] == [(1, *live.address)]
    broker = await outcome(admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]))
    assert broker["log.dirs"].value == str(live.config.data)


async def test_records_are_deleted(live: Broker, admin: AdminClient) -> None:
    partition = live.catalog.partition("orders", 0)
    partition.append(bytearray(batch(b"a", b"b", b"c")), now_ms=live.clock.now_ms())
    partition.sync()
    deleted = await outcome(admin.delete_records([TopicPartition("orders", 0, 2)]))
    assert deleted.low_watermark == 2
    assert partition.log_start_offset == 2
