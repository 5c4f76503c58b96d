"""Metadata: where the brokers are, which topics there are, and who leads their partitions: we do.

- No list of topics means all of them, as an empty one does in version 0; since version 1 an empty list means none.
- A topic that does not exist is created if the broker and the request allow it; before version 4 every request does.
  Apache Kafka answers UNKNOWN_TOPIC_OR_PARTITION and creates meanwhile, since its controller is elsewhere; the client
  asks again after a pause. Here creating takes a few milliseconds: we wait, and answer with the topic.
- Topics may be asked for by id since version 12 (ids are answered since 10). If one is, names do not count.
- A partition that cannot be opened has no leader: LEADER_NOT_AVAILABLE, and the one replica is offline.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidings.broker.catalog.topic import NewTopic, Replica, Topic
from tidings.broker.catalog.topic_names import INTERNAL, check_name
from tidings.broker.requests.advertised import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS, advertised_address
from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

ASKED_BY_ID_SINCE = 12
NO_LEADER = -1


@handles(MetadataRequest)
async def metadata(request: MetadataRequest, context: Context) -> MetadataResponse:
    broker = context.broker
    host, port = advertised_address(context)
    response = MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=broker.config.node_id, host=host, port=port)],
        cluster_id=broker.cluster_id,
        controller_id=broker.config.node_id,
        topics=await _topics(request, context),
    )
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    return response


async def _topics(request: MetadataRequest, context: Context) -> list[MetadataResponseTopic]:
    catalog = context.broker.catalog
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED
    if request.topics is None or (context.api_version == 0 and not request.topics):
        return [_answer(topic, context, operations) for topic in catalog.topics.values()]
    ids = dict.fromkeys(asked.topic_id for asked in request.topics if asked.topic_id != NULL_UUID)
    names = dict.fromkeys(asked.name for asked in request.topics if asked.name is not None)
    if context.api_version < ASKED_BY_ID_SINCE and (ids or any(asked.name is None for asked in request.topics)):
        return [
            MetadataResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=asked.name or "", topic_id=asked.topic_id)
            for asked in request.topics
        ]
    if ids:
        found = ((topic_id, catalog.topic_by_id(topic_id)) for topic_id in ids)
        return [
            MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
            if topic is None
            else _answer(topic, context, operations)
            for topic_id, topic in found
        ]
    missing = [name for name in names if name not in catalog.topics]
    errors = await _create(missing, request, context) if missing else {}
    answers = []
    for name in names:
        topic = catalog.topics.get(name)
        answers.append(_unknown(name, errors.get(name)) if topic is None else _answer(topic, context, operations))
    return answers


async def _create(names: Iterable[str], request: MetadataRequest, context: Context) -> dict[str, ErrorCode]:
    """Create what is missing, if allowed; why a topic is missing still, where there is a reason of its own."""
    config = context.broker.config
    errors = {}
    wanted = []
    for name in names:
        try:
            check_name(name)
            wanted.append(NewTopic(name, 1 if name in INTERNAL else config.num_partitions))
        except ApiError as error:
            errors[name] = error.code
    if wanted and config.auto_create_topics and request.allow_auto_topic_creation:
        outcomes = await context.broker.catalog.create(wanted)
        for new, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                errors[new.name] = outcome.code
    return errors


def _answer(topic: Topic, context: Context, operations: int) -> MetadataResponseTopic:
    node_id = context.broker.config.node_id
    return MetadataResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.is_internal,
        partitions=[_partition(replica, node_id) for replica in topic.partitions],
        topic_authorized_operations=operations,
    )


def _partition(replica: Replica, node_id: int) -> MetadataResponsePartition:
    offline = replica.is_offline
    return MetadataResponsePartition(
        error_code=ErrorCode.LEADER_NOT_AVAILABLE if offline else ErrorCode.NONE,
        partition_index=replica.index,
        leader_id=NO_LEADER if offline else node_id,
        leader_epoch=replica.leader_epoch,
        replica_nodes=[node_id],
        isr_nodes=[node_id],
        offline_replicas=[node_id] if offline else [],
    )


def _unknown(name: str, error: ErrorCode | None) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if error is None else error,
        name=name,
        is_internal=name in INTERNAL,
    )
