"""CreateTopics: each topic is created or refused on its own; what is answered is on the disk.

- Version 4 lets the broker choose partitions and replication (-1, KIP-464); as Apache Kafka, we take it in any version.
- Version 5 answers with the new topic's size and settings (KIP-525), version 7 with its id.
- One node keeps one copy: a replication factor other than 1 or -1 is INVALID_REPLICATION_FACTOR.
- `timeout_ms` is not needed: there is nobody to wait for but our disk.
"""

from __future__ import annotations

from collections import Counter

from tidings.broker.access.guards import Each, Sight
from tidings.broker.catalog.topic import NewTopic, Topic
from tidings.broker.catalog.topic_names import CATALOG
from tidings.broker.requests.assignments import check_indexes, check_replicas
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS, checked
from tidings.security.rights import CREATE_CLUSTER, CREATE_TOPIC, DESCRIBE_CONFIGS_TOPIC, Right
from tidings.security.rules import CLUSTER_NAME
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

PARTITIONS_PER_REQUEST_MAX = 10_000
DEFAULT = -1


def _asks_to_create(topic: CreatableTopic, context: Context) -> tuple[Right, str] | None:
    if context.may(CREATE_CLUSTER, CLUSTER_NAME):
        return None
    return CREATE_TOPIC, topic.name


_MAY_CREATE = Each([CREATE_CLUSTER, CREATE_TOPIC], _asks_to_create, "topics", "topics")


def _hide_settings(request: CreateTopicsRequest, reply: CreateTopicsResponse, context: Context) -> None:
    for topic in reply.topics:
        if not topic.error_code and not context.may(DESCRIBE_CONFIGS_TOPIC, topic.name):
            topic.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            topic.num_partitions = topic.replication_factor = -1
            topic.configs = []


@handles(
    CreateTopicsRequest,
    access=[_MAY_CREATE, Sight(_hide_settings, [DESCRIBE_CONFIGS_TOPIC])],
)
async def create_topics(request: CreateTopicsRequest, context: Context) -> CreateTopicsResponse:
    counts = Counter(topic.name for topic in request.topics)
    results: dict[str, CreatableTopicResult] = {}
    wanted: list[NewTopic] = []
    room = PARTITIONS_PER_REQUEST_MAX
    for topic in request.topics:
        try:
            if counts[topic.name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            new = _wanted(topic, context)
            context.broker.catalog.check(new)
            room -= new.partition_count
            if room < 0:
                raise ApiError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
            results[topic.name] = CreatableTopicResult(name=topic.name)
            wanted.append(new)
        except ApiError as error:
            results[topic.name] = _refused(topic.name, error)
    if request.validate_only:
        results.update((new.name, _created(new, NULL_UUID, context)) for new in wanted)
    elif wanted:
        outcomes = await context.broker.catalog.create(wanted)
        for new, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Topic):
                results[new.name] = _created(new, outcome.id, context)
            else:
                results[new.name] = _refused(new.name, outcome)
    return CreateTopicsResponse(topics=list(results.values()))


def _wanted(topic: CreatableTopic, context: Context) -> NewTopic:
    """What is asked for, in our terms. Raises ApiError."""
    if topic.name == CATALOG:
        raise ApiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, f"{CATALOG} belongs to the broker.")
    names = Counter(config.name for config in topic.configs)
    if len(names) < len(topic.configs):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"Configuration {names.most_common(1)[0][0]} is there twice.")
    count = _assigned(topic, context) if topic.assignments else _counted(topic, context)
    return NewTopic(topic.name, count, {config.name: config.value for config in topic.configs})


def _counted(topic: CreatableTopic, context: Context) -> int:
    factor = topic.replication_factor
    if factor == 0 or factor < DEFAULT:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if factor not in (1, DEFAULT):
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {factor} time(s): this broker is one node, which keeps one copy."
            " Ask for a replication factor of 1, or -1.",
        )
    return context.broker.config.num_partitions if topic.num_partitions == DEFAULT else topic.num_partitions


def _assigned(topic: CreatableTopic, context: Context) -> int:
    if topic.replication_factor != DEFAULT:
        raise ApiError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        )
    if topic.num_partitions != DEFAULT:
        raise ApiError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        )
    check_indexes(assignment.partition_index for assignment in topic.assignments)
    for assignment in topic.assignments:
        check_replicas(assignment.broker_ids, context.broker.config.node_id)
    return len(topic.assignments)


def _created(new: NewTopic, topic_id: bytes, context: Context) -> CreatableTopicResult:
    own = checked(new.configs)
    configs = []
    for name in TOPIC_CONFIGS:
        value, source = context.broker.catalog.settings.topic_value(name, own)
        configs.append(CreatableTopicConfigs(name=name, value=value, config_source=source))
    return CreatableTopicResult(
        name=new.name,
        topic_id=topic_id,
        error_code=ErrorCode.NONE,
        error_message=None,
        num_partitions=new.partition_count,
        replication_factor=1,
        configs=configs,
    )


def _refused(name: str, error: ApiError) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=error.code, error_message=str(error), configs=[])
