"""Moving replicas, and rules of access, on one node with one folder and no authorizer: said as Apache Kafka says it."""

from __future__ import annotations

import pytest
from tests.broker.client import Client

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from tidings.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)

TOPIC, ANY, READ, ALLOW = 2, 1, 3, 3


@pytest.mark.parametrize("version", [0, 1])
async def test_a_partition_may_be_put_where_it_is_and_nowhere_else(client: Client, version: int) -> None:
    async def move(name: str, index: int, replicas: list[int] | None) -> ErrorCode:
        topic = ReassignableTopic(
            name=name, partitions=[ReassignablePartition(partition_index=index, replicas=replicas)]
        )
        response = await client.ask(AlterPartitionReassignmentsRequest(topics=[topic]), version)
        assert (response.error_code, response.error_message) == (ErrorCode.NONE, None)
        (told,) = response.responses[0].partitions
        assert (response.responses[0].name, told.partition_index) == (name, index)
        assert (told.error_message is None) == (told.error_code == ErrorCode.NONE)
        return ErrorCode(told.error_code)

    assert await move("orders", 0, [1]) == ErrorCode.NONE
    assert await move("orders", 0, [2]) == ErrorCode.INVALID_REPLICA_ASSIGNMENT
    assert await move("orders", 0, []) == ErrorCode.INVALID_REPLICA_ASSIGNMENT
    assert await move("orders", 0, None) == ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
    assert await move("orders", 2, [1]) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await move("letters", 0, [1]) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("version", [1, 2])
async def test_a_replica_is_in_the_one_folder_there_is(live: Broker, client: Client, version: int) -> None:
    here = AlterReplicaLogDir(
        path=live.folder.path,
        topics=[
            AlterReplicaLogDirTopic(name="orders", partitions=[1, 2]),
            AlterReplicaLogDirTopic(name="no", partitions=[0]),
        ],
    )
    there = AlterReplicaLogDir(path="/other", topics=[AlterReplicaLogDirTopic(name="orders", partitions=[0])])
    response = await client.ask(AlterReplicaLogDirsRequest(dirs=[here, there]), version)
    told = {
        (topic.topic_name, part.partition_index): part.error_code
        for topic in response.results
        for part in topic.partitions
    }
    assert told == {
        ("orders", 0): ErrorCode.LOG_DIR_NOT_FOUND,
        ("orders", 1): ErrorCode.NONE,
        ("orders", 2): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("no", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
