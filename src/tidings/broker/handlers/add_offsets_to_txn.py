"""AddOffsetsToTxn. See `coordination.transactions.partitions`."""

from __future__ import annotations

from asyncio import Future

from tidings.broker.access.guards import whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import READ_GROUP, WRITE_TRANSACTION
from tidings.wire.message import Message
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest


@handles(
    AddOffsetsToTxnRequest,
    access=[
        whole(WRITE_TRANSACTION, "transactional_id"),
        whole(READ_GROUP, "group_id"),
    ],
)
def add_offsets_to_txn(request: AddOffsetsToTxnRequest, context: Context) -> Future[Message]:
    transactions = context.broker.transactions
    return transactions.ask(transactions.coordinator.add_offsets, request, context)
