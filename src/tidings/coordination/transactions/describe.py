"""DescribeTransactions and ListTransactions (KIP-664): what there is, for those who look from outside.

ListTransactions v1 filters by how long a transaction is open, v2 by a regular expression of ids (KIP-1152).
"""

from __future__ import annotations

from collections.abc import Collection

from tidings.coordination.outcome import ClientInfo, Now, Outcome, Ticket
from tidings.coordination.transactions.registry import Registry
from tidings.coordination.transactions.states import TransactionState
from tidings.coordination.transactions.transaction import NO_TIME, Transaction
from tidings.regex.automaton import Regex
from tidings.regex.syntax import RegexError
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages import describe_transactions as described
from tidings.wire.messages import list_transactions as listed
from tidings.wire.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from tidings.wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse

_BY_TITLE = {state.title: state for state in TransactionState}


def describe_transactions(
    registry: Registry, request: DescribeTransactionsRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    states = [_described(registry, transactional_id) for transactional_id in request.transactional_ids]
    outcome.reply(ticket, DescribeTransactionsResponse(transaction_states=states))
    return outcome


def _described(registry: Registry, transactional_id: str) -> described.TransactionState:
    found = registry.transactions.get(transactional_id)
    if found is None:
        code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND if transactional_id else ErrorCode.INVALID_REQUEST
        return described.TransactionState(error_code=code, transactional_id=transactional_id)
    topics: dict[str, described.TopicData] = {}
    for name, index in sorted(found.partitions):
        topics.setdefault(name, described.TopicData(topic=name)).partitions.append(index)
    return described.TransactionState(
        transactional_id=transactional_id,
        transaction_state=found.state.title,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.started_wall_ms,
        producer_id=found.producer_id,
        producer_epoch=found.epoch,
        topics=list(topics.values()),
    )


def list_transactions(
    registry: Registry, request: ListTransactionsRequest, client: ClientInfo, now: Now, ticket: Ticket
) -> Outcome:
    outcome = Outcome()
    try:
        matching = _matching(registry, request.transactional_id_pattern)
    except RegexError:
        outcome.reply(ticket, ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION))
        return outcome
    states = {_BY_TITLE[title] for title in request.state_filters if title in _BY_TITLE}
    producers = set(request.producer_id_filters)
    found = [
        transaction
        for transaction in registry.transactions.values()
        if transaction.transactional_id in matching
        and (not request.state_filters or transaction.state in states)
        and (not producers or transaction.producer_id in producers)
        and (request.duration_filter < 0 or _age_ms(transaction, now) > request.duration_filter)
    ]
    reply = ListTransactionsResponse(
        unknown_state_filters=[title for title in request.state_filters if title not in _BY_TITLE],
        transaction_states=[
            listed.TransactionState(
                transactional_id=transaction.transactional_id,
                producer_id=transaction.producer_id,
                transaction_state=transaction.state.title,
            )
            for transaction in found
        ],
    )
    outcome.reply(ticket, reply)
    return outcome


def _matching(registry: Registry, pattern: str | None) -> Collection[str]:
    """The transactional ids that `pattern` is of; all, if there is none. Raises RegexError."""
    ids = registry.transactions.keys()
    return Regex(pattern, frozenset().union(*ids)).matching(ids) if pattern else ids


def _age_ms(transaction: Transaction, now: Now) -> int:
    return -1 if transaction.started_wall_ms == NO_TIME else now.wall_ms - transaction.started_wall_ms
