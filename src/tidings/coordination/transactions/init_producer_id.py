"""InitProducerId with a transactional id: the newest instance of a producer takes over, and all before it are fenced.

- An unfinished transaction of the one before is aborted first; meanwhile CONCURRENT_TRANSACTIONS, and the client asks
  again. So the new producer never reads what is not decided, nor is in its way.
- v3: the producer says who it was, so that it may go on with a new epoch after an error (KIP-360). Then it must be the
  last one: else it is the one that was fenced. A repetition of a request that was fulfilled gets the same answer.
- v4: PRODUCER_FENCED.
- When its epochs are used up it gets a new producer id.
"""

from __future__ import annotations

from tidings.coordination.outcome import ClientInfo, Now, Outcome, Producer, Ticket
from tidings.coordination.transactions.registry import Registry, known_as
from tidings.coordination.transactions.states import DECIDED, TransactionState
from tidings.coordination.transactions.transaction import (
    NO_EPOCH,
    NO_PRODUCER_ID,
    NO_TIME,
    Transaction,
    is_exhausted,
)
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

FENCED_SINCE = 4


def init_producer_id(
    registry: Registry, request: InitProducerIdRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    try:
        expected = _check(registry, request)
        current = _find_or_make(registry, request)
        if expected is not None and not _may_go_on(current, expected):
            raise ApiError(ErrorCode.PRODUCER_FENCED)
        if current.state in DECIDED:
            raise ApiError(ErrorCode.CONCURRENT_TRANSACTIONS)
        if current.state is TransactionState.ONGOING:
            registry.fence(current, now, outcome)
            raise ApiError(ErrorCode.CONCURRENT_TRANSACTIONS)
        renewed = _renew(registry, current, expected, request.transaction_timeout_ms, now)
    except ApiError as error:
        code = known_as(error.code, client.api_version, FENCED_SINCE)
        outcome.reply(ticket, InitProducerIdResponse(error_code=code, producer_epoch=NO_EPOCH))
        return outcome
    registry.write(outcome, renewed, now)
    outcome.reply(ticket, InitProducerIdResponse(producer_id=renewed.producer_id, producer_epoch=renewed.epoch))
    return outcome


def _check(registry: Registry, request: InitProducerIdRequest) -> Producer | None:
    """Who it says it was. Raises ApiError INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT."""
    if not request.transactional_id:
        raise ApiError(ErrorCode.INVALID_REQUEST)
    if not 0 < request.transaction_timeout_ms <= registry.config.timeout_ms_max:
        raise ApiError(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    has_id, has_epoch = request.producer_id != NO_PRODUCER_ID, request.producer_epoch != NO_EPOCH
    if has_id != has_epoch:
        raise ApiError(ErrorCode.INVALID_REQUEST)
    return Producer(request.producer_id, request.producer_epoch) if has_id else None


def _find_or_make(registry: Registry, request: InitProducerIdRequest) -> Transaction:
    assert request.transactional_id is not None
    found = registry.transactions.get(request.transactional_id)
    return found or Transaction(
        transactional_id=request.transactional_id,
        producer_id=registry.take_producer_id(),
        epoch=NO_EPOCH,
        timeout_ms=request.transaction_timeout_ms,
        state=TransactionState.EMPTY,
    )


def _may_go_on(current: Transaction, expected: Producer) -> bool:
    """Whether it is the last producer, or none is known, or it is the last one under its old id."""
    return (
        current.epoch == NO_EPOCH
        or expected.producer_id == current.producer_id
        or (expected.producer_id == current.previous_producer_id and is_exhausted(expected.epoch))
    )


def _renew(
    registry: Registry, current: Transaction, expected: Producer | None, timeout_ms: int, now: Now
) -> Transaction:
    """The producer in its next epoch. Raises ApiError PRODUCER_FENCED for an epoch that is over."""
    producer_id, epoch, last_epoch = current.producer_id, current.epoch, current.last_epoch
    if expected is None or epoch in (NO_EPOCH, expected.epoch):
        last_epoch = NO_EPOCH if expected is None else epoch
        if current.has_exhausted_epochs:
            producer_id, epoch = registry.take_producer_id(), 0
        else:
            epoch += 1
    elif expected.epoch != last_epoch:
        raise ApiError(ErrorCode.PRODUCER_FENCED)
    return current.moved(
        TransactionState.EMPTY,
        now.wall_ms,
        producer_id=producer_id,
        epoch=epoch,
        last_epoch=last_epoch,
        timeout_ms=timeout_ms,
        partitions=frozenset(),
        started_wall_ms=NO_TIME,
    )
