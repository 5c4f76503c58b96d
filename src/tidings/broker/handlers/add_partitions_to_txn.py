"""AddPartitionsToTxn. See `coordination.transactions.partitions`."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable

from tidings.broker.access.guards import Check, refuse
from tidings.broker.access.refusals import refused_item
from tidings.broker.requests.dispatch import Context, Proceed, Reply, handles
from tidings.security.rights import CLUSTER_ACTION_CLUSTER, WRITE_TOPIC, WRITE_TRANSACTION
from tidings.security.rules import CLUSTER_NAME, ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)

BROKERS_SINCE = 4
"""Versions in which brokers speak for several transactions."""


class _Topics:
    """All topics, or none: a partition beside one that is refused is not even attempted."""

    needs = ([WRITE_TOPIC],)

    def __call__(
        self, request: AddPartitionsToTxnRequest, context: Context, proceed: Proceed
    ) -> Reply | Awaitable[Reply]:
        topics = request.v3_and_below_topics
        refused = {t.name for t in topics if not context.may(WRITE_TOPIC, t.name)}
        if not refused:
            return proceed(request)
        return AddPartitionsToTxnResponse(
            results_by_topic_v3_and_below=[
                refused_item(
                    AddPartitionsToTxnTopicResult,
                    topic,
                    ErrorCode.TOPIC_AUTHORIZATION_FAILED
                    if topic.name in refused
                    else ErrorCode.OPERATION_NOT_ATTEMPTED,
                )
                for topic in topics
            ]
        )


def _refused(request: AddPartitionsToTxnRequest, code: ErrorCode, version: int) -> AddPartitionsToTxnResponse:
    if version >= BROKERS_SINCE:
        return AddPartitionsToTxnResponse(error_code=code)
    return AddPartitionsToTxnResponse(
        results_by_topic_v3_and_below=[
            refused_item(AddPartitionsToTxnTopicResult, topic, code) for topic in request.v3_and_below_topics
        ]
    )


def _may_write(request: AddPartitionsToTxnRequest, context: Context) -> None:
    if context.api_version >= BROKERS_SINCE:
        if not context.may(CLUSTER_ACTION_CLUSTER, CLUSTER_NAME):
            raise refuse(ResourceType.CLUSTER)
    elif not context.may(WRITE_TRANSACTION, request.v3_and_below_transactional_id):
        raise refuse(ResourceType.TRANSACTIONAL_ID)


_MAY_WRITE = Check(
    _may_write,
    [WRITE_TRANSACTION, CLUSTER_ACTION_CLUSTER],
)


@handles(AddPartitionsToTxnRequest, access=[_MAY_WRITE, _Topics()], refused=_refused)
def add_partitions_to_txn(request: AddPartitionsToTxnRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.add_partitions, request, context)
