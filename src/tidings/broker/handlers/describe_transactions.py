"""DescribeTransactions. See `coordination.transactions.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight, each
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_TOPIC, DESCRIBE_TRANSACTION
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)


def _refused(transactional_id: str, code: ErrorCode) -> TransactionState:
    return TransactionState(error_code=code, transactional_id=transactional_id)


def _narrow(request: DescribeTransactionsRequest, reply: DescribeTransactionsResponse, context: Context) -> None:
    for state in reply.transaction_states:
        state.topics = [topic for topic in state.topics if context.may(DESCRIBE_TOPIC, topic.topic)]


@handles(
    DescribeTransactionsRequest,
    access=[
        each(
            DESCRIBE_TRANSACTION,
            "transactional_ids",
            "transaction_states",
            name="",
            refuse=_refused,
        ),
        Sight(_narrow, [DESCRIBE_TOPIC]),
    ],
)
def describe_transactions(request: DescribeTransactionsRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.describe, request, context)
