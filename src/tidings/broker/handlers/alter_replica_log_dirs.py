"""AlterReplicaLogDirs: move replicas to another folder of this broker (KIP-113). There is one, so all are there."""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.access.refusals import refused_item
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_CLUSTER
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


def _refused(request: AlterReplicaLogDirsRequest, code: ErrorCode, version: int) -> AlterReplicaLogDirsResponse:
    results = [
        refused_item(AlterReplicaLogDirTopicResult, topic, code) for each in request.dirs for topic in each.topics
    ]
    return AlterReplicaLogDirsResponse(results=results)


@handles(AlterReplicaLogDirsRequest, access=[cluster(ALTER_CLUSTER)], refused=_refused)
def alter_replica_log_dirs(request: AlterReplicaLogDirsRequest, context: Context) -> AlterReplicaLogDirsResponse:
    results: dict[str, AlterReplicaLogDirTopicResult] = {}
    for asked in request.dirs:
        for topic in asked.topics:
            result = results.setdefault(topic.name, AlterReplicaLogDirTopicResult(topic_name=topic.name))
            for index in topic.partitions:
                code = _code(asked.path, topic.name, index, context)
                result.partitions.append(AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code))
    return AlterReplicaLogDirsResponse(results=list(results.values()))


def _code(path: str, name: str, index: int, context: Context) -> ErrorCode:
    if path != context.broker.folder.path:
        return ErrorCode.LOG_DIR_NOT_FOUND
    topic = context.broker.catalog.topics.get(name)
    if topic is None or not 0 <= index < len(topic.partitions):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.KAFKA_STORAGE_ERROR if topic.partitions[index].is_offline else ErrorCode.NONE
