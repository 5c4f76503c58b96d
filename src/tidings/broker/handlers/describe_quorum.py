"""DescribeQuorum: who votes on the catalog's log, and how far each has come (KIP-595): this node does, and is there.

- Version 1 has the times of the last fetch and of the last moment without a lag (KIP-836): for a leader both are now.
- Version 2 has directory ids and where the voters listen (KIP-853). One address serves clients and administration here.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.catalog.topic_names import CATALOG
from tidings.broker.requests.advertised import advertised_address
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    PartitionData,
    ReplicaState,
    TopicData,
)

LEADER_EPOCH = 1
"""Nobody else was ever elected."""


@handles(DescribeQuorumRequest, access=[cluster(DESCRIBE_CLUSTER)])
def describe_quorum(request: DescribeQuorumRequest, context: Context) -> DescribeQuorumResponse:
    host, port = advertised_address(context)
    node = Node(node_id=context.broker.config.node_id, listeners=[Listener(name="PLAINTEXT", host=host, port=port)])
    topics = [
        TopicData(
            topic_name=topic.topic_name,
            partitions=[_partition(topic.topic_name, asked.partition_index, context) for asked in topic.partitions],
        )
        for topic in request.topics
    ]
    return DescribeQuorumResponse(error_message=None, topics=topics, nodes=[node])


def _partition(topic: str, index: int, context: Context) -> PartitionData:
    if (topic, index) != (CATALOG, 0):
        return PartitionData(
            partition_index=index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, error_message=None, leader_id=-1
        )
    broker = context.broker
    now_ms, end_offset = broker.clock.now_ms(), broker.catalog.end_offset
    voter = ReplicaState(
        replica_id=broker.config.node_id,
        log_end_offset=end_offset,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    return PartitionData(
        partition_index=0,
        error_message=None,
        leader_id=broker.config.node_id,
        leader_epoch=LEADER_EPOCH,
        high_watermark=end_offset,
        current_voters=[voter],
    )
