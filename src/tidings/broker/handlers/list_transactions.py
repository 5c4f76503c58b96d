"""ListTransactions. See `coordination.transactions.describe`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import Sight
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_TRANSACTION
from tidings.wire.message import Message
from tidings.wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse


def _narrow(request: ListTransactionsRequest, reply: ListTransactionsResponse, context: Context) -> None:
    reply.transaction_states = [
        state for state in reply.transaction_states if context.may(DESCRIBE_TRANSACTION, state.transactional_id)
    ]


@handles(ListTransactionsRequest, access=[Sight(_narrow, [DESCRIBE_TRANSACTION])])
def list_transactions(request: ListTransactionsRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.list, request, context)
