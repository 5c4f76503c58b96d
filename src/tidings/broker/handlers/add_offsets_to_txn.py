"""AddOffsetsToTxn. See `coordination.transactions.partitions`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.message import Message
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest


@handles(AddOffsetsToTxnRequest)
def add_offsets_to_txn(request: AddOffsetsToTxnRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.add_offsets, request, context)
