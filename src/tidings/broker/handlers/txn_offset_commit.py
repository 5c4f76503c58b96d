"""TxnOffsetCommit: a group's offsets as part of a transaction. See `coordination.groups.transactional_commit`.

v4 TRANSACTION_ABORTABLE. v5: the log of the groups' offsets is added to the transaction here (KIP-890).
"""

from __future__ import annotations

from tidings.broker.access.guards import each, refused_all, whole
from tidings.broker.coordinators.transactions import OFFSETS_PARTITION, Claim
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.groups.transactional_commit import refused
from tidings.coordination.outcome import Producer
from tidings.security.rights import READ_GROUP, READ_TOPIC, WRITE_TRANSACTION
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.txn_offset_commit import TxnOffsetCommitRequest

ABORTABLE_SINCE = 4
VERSION_2_SINCE = 5


@handles(
    TxnOffsetCommitRequest,
    access=[
        whole(WRITE_TRANSACTION, "transactional_id"),
        whole(READ_GROUP, "group_id"),
        each(READ_TOPIC, "topics", or_nothing=True),
    ],
    refused=refused_all("topics"),
)
async def txn_offset_commit(request: TxnOffsetCommitRequest, context: Context) -> Message:
    groups, transactions = context.broker.groups, context.broker.transactions
    producer = Producer(request.producer_id, request.producer_epoch)
    adds = context.api_version >= VERSION_2_SINCE
    await transactions.admitted(Claim(request.transactional_id, producer, frozenset({OFFSETS_PARTITION}), adds))
    code = transactions.refusal_of(request.transactional_id, producer, OFFSETS_PARTITION)
    if code:
        return refused(request, _known_as(code, context.api_version))
    return await groups.ask(groups.coordinator.commit_transactional, request, context)


def _known_as(code: ErrorCode, api_version: int) -> ErrorCode:
    """What clients of this version make the right thing of."""
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and api_version < ABORTABLE_SINCE:
        return ErrorCode.INVALID_TXN_STATE
    if code is ErrorCode.CONCURRENT_TRANSACTIONS and api_version < VERSION_2_SINCE:
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS  # which is retried
    return code
