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

from tidings.broker.access.guards import inside
from tidings.broker.catalog.topic import NewTopic, Replica, Topic
from tidings.broker.catalog.topic_names import INTERNAL, check_name
from tidings.broker.requests.advertised import NOT_ASKED, advertised_address, cluster_operations, topic_operations
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import CREATE_CLUSTER, CREATE_TOPIC, DESCRIBE_TOPIC
from tidings.security.rules import CLUSTER_NAME
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


@handles(
    MetadataRequest,
    access=[
        inside(
            DESCRIBE_TOPIC,
            CREATE_TOPIC,
            CREATE_CLUSTER,
        )
    ],
)
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
        response.cluster_authorized_operations = cluster_operations(context)
    return response


async def _topics(request: MetadataRequest, context: Context) -> list[MetadataResponseTopic]:
    catalog = context.broker.catalog
    with_operations = request.include_topic_authorized_operations
    if request.topics is None or (context.api_version == 0 and not request.topics):
        seen = (topic for topic in catalog.topics.values() if _may_see(topic.name, context))
        return [_answer(topic, context, with_operations) for topic in seen]
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
            _unnamed(topic_id, ErrorCode.UNKNOWN_TOPIC_ID)
            if topic is None
            else _answer(topic, context, with_operations)
            if _may_see(topic.name, context)
            else _unnamed(topic_id, ErrorCode.TOPIC_AUTHORIZATION_FAILED)  # ids are no secret in Apache Kafka
            for topic_id, topic in found
        ]
    hidden = dict.fromkeys(
        (name for name in names if not _may_see(name, context)), ErrorCode.TOPIC_AUTHORIZATION_FAILED
    )
    missing = [name for name in names if name not in catalog.topics and name not in hidden]
    errors = hidden | (await _create(missing, request, context) if missing else {})
    answers = []
    for name in names:
        topic = None if name in hidden else catalog.topics.get(name)
        answers.append(_unknown(name, errors.get(name)) if topic is None else _answer(topic, context, with_operations))
    return answers


def _may_see(name: str, context: Context) -> bool:
    return context.may(DESCRIBE_TOPIC, name)


def _may_create(name: str, context: Context) -> bool:
    return context.may(CREATE_CLUSTER, CLUSTER_NAME) or context.may(CREATE_TOPIC, name)


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
        refused = [new.name for new in wanted if not _may_create(new.name, context)]
        errors |= dict.fromkeys(refused, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        wanted = [new for new in wanted if new.name not in errors]
        outcomes = await context.broker.catalog.create(wanted)
        for new, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                errors[new.name] = outcome.code
    return errors


def _answer(topic: Topic, context: Context, with_operations: bool) -> MetadataResponseTopic:
    node_id = context.broker.config.node_id
    return MetadataResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.is_internal,
        partitions=[_partition(replica, node_id) for replica in topic.partitions],
        topic_authorized_operations=topic_operations(topic.name, context) if with_operations else NOT_ASKED,
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


def _unnamed(topic_id: bytes, code: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=code, name=None, topic_id=topic_id)


def _unknown(name: str, error: ErrorCode | None) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if error is None else error,
        name=name,
        is_internal=name in INTERNAL,
    )
