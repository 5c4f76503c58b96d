"""The reply that refuses a whole request, for each API of the coordinator: for when its log cannot be written."""

from __future__ import annotations

from tidings.coordination.transactions.partitions import SEVERAL_TRANSACTIONS_SINCE, topic_results
from tidings.coordination.transactions.transaction import NO_EPOCH
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnResponse
from tidings.wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


def refusal(request: Message, code: ErrorCode, api_version: int) -> Message:
    """An answer to `request` that says nothing but `code`."""
    if isinstance(request, InitProducerIdRequest):
        return InitProducerIdResponse(error_code=code, producer_epoch=NO_EPOCH)
    if isinstance(request, AddPartitionsToTxnRequest) and api_version < SEVERAL_TRANSACTIONS_SINCE:
        results = topic_results(request.v3_and_below_topics, {}, default=code)
        return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results)
    if isinstance(request, DescribeTransactionsRequest):
        states = [TransactionState(error_code=code, transactional_id=name) for name in request.transactional_ids]
        return DescribeTransactionsResponse(transaction_states=states)
    return request.response(error_code=code)
