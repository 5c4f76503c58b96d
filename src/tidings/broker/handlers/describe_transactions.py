"""DescribeTransactions. See `coordination.transactions.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.describe_transactions import DescribeTransactionsRequest


@handles(DescribeTransactionsRequest)
def describe_transactions(request: DescribeTransactionsRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.describe, request, context)
