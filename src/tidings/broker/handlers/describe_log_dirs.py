"""DescribeLogDirs: how much each partition takes of the one folder there is.

- No list of topics means all. What is asked for and is not there is left out.
- Version 3 has an error code at the top, version 4 the sizes of the disk (KIP-827), version 5 whether it is cordoned.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

UNKNOWN = -1


@handles(DescribeLogDirsRequest, access=[cluster(DESCRIBE_CLUSTER)])
def describe_log_dirs(request: DescribeLogDirsRequest, context: Context) -> DescribeLogDirsResponse:
    path = context.broker.folder.path
    total, usable = _disk_bytes(path)
    topics = [
        DescribeLogDirsTopic(name=name, partitions=list(_sizes(name, indexes, context)))
        for name, indexes in _asked(request, context)
    ]
    result = DescribeLogDirsResult(
        error_code=ErrorCode.NONE,
        log_dir=path,
        topics=[topic for topic in topics if topic.partitions],
        total_bytes=total,
        usable_bytes=usable,
    )
    return DescribeLogDirsResponse(results=[result])


def _asked(request: DescribeLogDirsRequest, context: Context) -> Iterator[tuple[str, list[int]]]:
    if request.topics is None:
        for topic in context.broker.catalog.topics.values():
            yield topic.name, [replica.index for replica in topic.partitions]
    else:
        for asked in request.topics:
            yield asked.topic, list(dict.fromkeys(asked.partitions))


def _sizes(name: str, indexes: list[int], context: Context) -> Iterator[DescribeLogDirsPartition]:
    catalog = context.broker.catalog
    topic = catalog.topics.get(name)
    for index in indexes:
        if topic is None or not 0 <= index < len(topic.partitions):
            continue
        try:
            used = catalog.is_used(topic, topic.partitions[index])
            size_bytes = catalog.partition(name, index).size_bytes if used else 0
        except ApiError:
            continue  # offline
        yield DescribeLogDirsPartition(partition_index=index, partition_size=size_bytes)


def _disk_bytes(path: str) -> tuple[int, int]:
    """Of the whole file system, and of it what is free."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return UNKNOWN, UNKNOWN
    return usage.total, usage.free
