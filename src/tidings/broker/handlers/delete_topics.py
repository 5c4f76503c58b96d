"""DeleteTopics: topics go, and their records with them; what is answered is on the disk.

- Version 5 has messages beside the error codes. Version 6 names topics by name or by id.
- `timeout_ms` is not needed: there is nobody to wait for but our disk.
"""

from __future__ import annotations

from collections import Counter

from tidings.broker.access.guards import Each, topic_named
from tidings.broker.catalog.topic import Topic
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DELETE_CLUSTER, DELETE_TOPIC, DESCRIBE_TOPIC, Right
from tidings.security.rules import CLUSTER_NAME
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import NULL_UUID
from tidings.wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)

BY_ID_SINCE = 6


def _asks_to_delete(asked: DeleteTopicState | str, context: Context) -> tuple[Right, str] | None:
    """Who may describe a topic is told that it is not there."""
    name = asked if isinstance(asked, str) else topic_named(asked, context)
    if name is None or context.may(DELETE_CLUSTER, CLUSTER_NAME):
        return None
    if name not in context.broker.catalog.topics and context.may(DESCRIBE_TOPIC, name):
        return None
    return DELETE_TOPIC, name


_RIGHTS = [DELETE_CLUSTER, DELETE_TOPIC]


@handles(
    DeleteTopicsRequest,
    access=[
        Each(_RIGHTS, _asks_to_delete, "topics", "responses"),
        Each(_RIGHTS, _asks_to_delete, "topic_names", "responses"),
    ],
)
async def delete_topics(request: DeleteTopicsRequest, context: Context) -> DeleteTopicsResponse:
    asked = request.topics
    if context.api_version < BY_ID_SINCE:
        asked = [DeleteTopicState(name=name) for name in request.topic_names]
    mentions = Counter((state.name, state.topic_id) for state in asked)
    results = []
    doomed: dict[bytes, tuple[Topic, DeletableTopicResult]] = {}
    for state in {(state.name, state.topic_id): state for state in asked}.values():
        result = DeletableTopicResult(name=state.name, topic_id=state.topic_id)
        results.append(result)
        try:
            topic = _find(state, context)
            if mentions[state.name, state.topic_id] > 1 or topic.id in doomed:
                raise ApiError(ErrorCode.INVALID_REQUEST, "Duplicate topic name or id.")
            result.name, result.topic_id = topic.name, topic.id
            doomed[topic.id] = topic, result
        except ApiError as error:
            _refuse(result, error)
    outcomes = await context.broker.catalog.delete([topic for topic, _ in doomed.values()])
    for (_, result), outcome in zip(doomed.values(), outcomes, strict=True):
        if outcome is not None:
            _refuse(result, outcome)
    return DeleteTopicsResponse(responses=results)


def _find(state: DeleteTopicState, context: Context) -> Topic:
    """Raises ApiError."""
    catalog = context.broker.catalog
    if state.name is not None:
        if state.topic_id != NULL_UUID:
            raise ApiError(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
        return catalog.topic(state.name)
    if state.topic_id == NULL_UUID:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
    topic = catalog.topic_by_id(state.topic_id)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
    return topic


def _refuse(result: DeletableTopicResult, error: ApiError) -> None:
    result.error_code, result.error_message = error.code, str(error)
