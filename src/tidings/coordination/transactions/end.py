"""EndTxn: decide whether a transaction commits or aborts; the reply tells that all its partitions know.

v2 PRODUCER_FENCED. v5 is version 2 of transactions (KIP-890): each end bumps the producer's epoch and answers the new
one, so nothing that was sent before can enter the next transaction; an abort is also right when there is nothing to
abort, since the coordinator may not have heard of a Produce that failed.

The decision stands once it is on record (PrepareCommit, PrepareAbort); markers are written to the partitions after
that, and again after a crash. Apache Kafka answers when it is on record and lets the next transaction run into
CONCURRENT_TRANSACTIONS for a while; the reply here waits for the markers, which takes less than that.
"""

from __future__ import annotations

from typing import Any

from tidings.coordination.outcome import ClientInfo, Markers, Now, Outcome, Ticket
from tidings.coordination.transactions.registry import Registry, known_as
from tidings.coordination.transactions.states import DECIDED, TransactionState
from tidings.coordination.transactions.transaction import (
    EPOCH_MAX,
    NO_PRODUCER_ID,
    VERSION_2,
    Transaction,
)
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.end_txn import EndTxnRequest, EndTxnResponse

FENCED_SINCE = 2
VERSION_2_SINCE = 5
_COMPLETED = {
    TransactionState.PREPARE_COMMIT: TransactionState.COMPLETE_COMMIT,
    TransactionState.PREPARE_ABORT: TransactionState.COMPLETE_ABORT,
}


def end_transaction(
    registry: Registry, request: EndTxnRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    version = VERSION_2 if client.api_version >= VERSION_2_SINCE else 0
    wanted = TransactionState.PREPARE_COMMIT if request.committed else TransactionState.PREPARE_ABORT
    try:
        current = _find(registry, request, version)
        if _is_done(current, request, wanted, version):
            outcome.reply(ticket, _done(current))
            return outcome
    except ApiError as error:
        outcome.reply(ticket, EndTxnResponse(error_code=known_as(error.code, client.api_version, FENCED_SINCE)))
        return outcome
    next_id = NO_PRODUCER_ID
    if version == VERSION_2 and current.has_exhausted_epochs:
        next_id = registry.take_producer_id()
    ended = current.decided(wanted, version, now.wall_ms, next_producer_id=next_id)
    registry.write(outcome, ended, now, ticket)
    return outcome


def complete(registry: Registry, markers: Markers, now: Now) -> Outcome:
    """All partitions of a decided transaction have their markers, for good."""
    outcome = Outcome()
    current = registry.transactions[markers.transactional_id]
    changes: dict[str, Any] = {"partitions": frozenset(), "next_producer_id": NO_PRODUCER_ID}
    if current.next_producer_id != NO_PRODUCER_ID:
        changes |= {"producer_id": current.next_producer_id, "epoch": 0}
    completed = current.moved(_COMPLETED[current.state], now.wall_ms, **changes)
    registry.write(outcome, completed, now)
    if markers.ticket is not None:
        outcome.reply(markers.ticket, _done(completed))
    return outcome


def _find(registry: Registry, request: EndTxnRequest, version: int) -> Transaction:
    """Raises ApiError INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING or PRODUCER_FENCED."""
    epoch = request.producer_epoch
    current = registry.transactions.get(request.transactional_id)
    if version == VERSION_2 and current is not None and _is_repeated_over_new_id(current, request):
        return current
    current = registry.known(request.transactional_id, request.producer_id)
    valid = {current.epoch}
    if version == VERSION_2:
        if current.state in DECIDED:
            valid = {current.epoch - 1}
        elif current.state in _COMPLETED.values():
            valid = {current.epoch - 1, current.epoch}
    if epoch not in valid:
        raise ApiError(ErrorCode.PRODUCER_FENCED, f"epoch {epoch} of {request.transactional_id} is over")
    return current


def _is_repeated_over_new_id(current: Transaction, request: EndTxnRequest) -> bool:
    """Whether the end that is repeated was the last of its producer id's epochs, and so began with a new id."""
    return (
        current.previous_producer_id == request.producer_id
        and current.producer_id != request.producer_id
        and request.producer_epoch == EPOCH_MAX - 1
        and current.epoch == 0
        and current.state in _COMPLETED.values()
    )


def _is_done(current: Transaction, request: EndTxnRequest, wanted: TransactionState, version: int) -> bool:
    """Whether the request is repeated and was fulfilled. Raises ApiError if what it asks for cannot be.

    Apache Kafka's table: in version 2 an epoch one below the current is a repetition; the current one at rest is a new
    transaction of which we know nothing yet, and that can only be aborted.
    """
    if current.state is TransactionState.ONGOING:
        return False
    if current.state in DECIDED:
        if current.state is wanted:
            raise ApiError(ErrorCode.CONCURRENT_TRANSACTIONS, "it is being ended")
    elif version == VERSION_2 and request.producer_epoch == current.epoch:
        if wanted is TransactionState.PREPARE_ABORT:
            return False
    elif current.state is _COMPLETED[wanted]:
        return True
    raise ApiError(ErrorCode.INVALID_TXN_STATE, f"in {current.state.title} it cannot end so")


def _done(current: Transaction) -> EndTxnResponse:
    return EndTxnResponse(error_code=ErrorCode.NONE, producer_id=current.producer_id, producer_epoch=current.epoch)
