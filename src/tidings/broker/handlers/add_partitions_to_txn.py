"""AddPartitionsToTxn. See `coordination.transactions.partitions`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest


@handles(AddPartitionsToTxnRequest)
def add_partitions_to_txn(request: AddPartitionsToTxnRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.add_partitions, request, context)
