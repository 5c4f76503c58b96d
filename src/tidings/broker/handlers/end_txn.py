"""EndTxn. See `coordination.transactions.end`."""

from __future__ import annotations

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import WRITE_TRANSACTION
from tidings.wire.message import Message
from tidings.wire.messages.end_txn import EndTxnRequest


@handles(EndTxnRequest, access=[whole(WRITE_TRANSACTION, "transactional_id")])
async def end_txn(request: EndTxnRequest, context: Context) -> Message:
    transactions = context.broker.transactions
    return await transactions.ask_with_id(transactions.coordinator.end, request, context)
