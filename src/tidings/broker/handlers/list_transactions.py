"""ListTransactions. See `coordination.transactions.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.list_transactions import ListTransactionsRequest


@handles(ListTransactionsRequest)
def list_transactions(request: ListTransactionsRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.list, request, context)
