"""Transactions: who may write, how they end, who is fenced; over restarts, time-outs and repeated requests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordination.transactional import NAME, OFFSETS, ORDERS_0, TIMEOUT_MS, V1, V2, Transactions

from tidings.coordination.outcome import Producer
from tidings.coordination.transactions.config import TransactionConfig
from tidings.coordination.transactions.records import read_record, transaction_record
from tidings.coordination.transactions.states import TransactionState
from tidings.coordination.transactions.transaction import EPOCH_MAX, Transaction
from tidings.errors import DiskError
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from tidings.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from tidings.wire.messages.describe_transactions import DescribeTransactionsRequest
from tidings.wire.messages.list_transactions import ListTransactionsRequest

DAY_MS = 86_400_000


@pytest.fixture
def world() -> Transactions:
    return Transactions()


# How it goes when all goes well.


def test_a_transaction_is_told_to_its_partitions_after_its_end_is_on_record(world: Transactions) -> None:
    producer = world.producer()
    assert world.add(producer, ORDERS_0, ("payments", 1)) == ErrorCode.NONE
    ticket = world.end_request(producer, commit=True)
    assert world.state() is TransactionState.PREPARE_COMMIT
    assert ticket not in world.replies
    (markers,) = world.untold
    assert markers.commit
    assert markers.partitions == {ORDERS_0, ("payments", 1)}
    assert markers.producer_epoch == producer.epoch + 1
    world.tell()
    assert world.state() is TransactionState.COMPLETE_COMMIT
    assert world.replies[ticket].error_code == ErrorCode.NONE  # type: ignore[attr-defined]


def test_every_transaction_of_version_2_has_an_epoch_of_its_own(world: Transactions) -> None:
    producer = world.producer()
    epochs = []
    for commit in (True, False, True):
        world.add(producer)
        producer = world.next(producer, commit=commit)
        epochs.append(producer.epoch)
    assert epochs == [1, 2, 3]


def test_transactions_of_version_1_keep_their_epoch(world: Transactions) -> None:
    producer = world.producer()
    assert world.add_by_request(producer, "orders", 0, 1) == [0, 0]
    assert world.end(producer, commit=True, version=V1).error_code == ErrorCode.NONE
    assert world.add_by_request(producer, "orders", 1) == [0]
    assert world.may_write(producer, ("orders", 1)) == ErrorCode.NONE
    assert world.may_write(producer, ORDERS_0) == ErrorCode.TRANSACTION_ABORTABLE, "it was in the one before"
    assert world.end(producer, commit=False, version=V1).error_code == ErrorCode.NONE


def test_offsets_are_added_as_the_partition_that_holds_them(world: Transactions) -> None:
    producer = world.producer()
    request = AddOffsetsToTxnRequest(
        transactional_id=NAME, producer_id=producer.producer_id, producer_epoch=producer.epoch, group_id="readers"
    )
    assert world.ask("add_offsets", request, 4).error_code == ErrorCode.NONE
    assert world.may_write(producer, OFFSETS) == ErrorCode.NONE


def test_a_partition_that_is_added_again_costs_no_record(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    count = len(world.log)
    world.add(producer)
    assert len(world.log) == count


# Who is late.


def test_nothing_of_an_ended_transaction_enters_the_next(world: Transactions) -> None:
    old = world.producer()
    world.add(old)
    new = world.next(old, commit=True)
    world.add(new)
    assert world.may_write(old) == ErrorCode.PRODUCER_FENCED
    assert world.add(old) == ErrorCode.PRODUCER_FENCED
    assert world.end(old, commit=False).error_code == ErrorCode.PRODUCER_FENCED
    assert world.state() is TransactionState.ONGOING


def test_nobody_writes_while_a_transaction_is_being_ended(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    world.end_request(producer, commit=True)
    assert world.may_write(producer) == ErrorCode.PRODUCER_FENCED
    assert world.may_write(Producer(producer.producer_id, producer.epoch + 1)) == ErrorCode.CONCURRENT_TRANSACTIONS
    assert world.add(Producer(producer.producer_id, producer.epoch + 1)) == ErrorCode.CONCURRENT_TRANSACTIONS


def test_a_producer_of_version_1_cannot_write_to_a_partition_before_it_is_added(world: Transactions) -> None:
    producer = world.producer()
    assert world.may_write(producer) == ErrorCode.TRANSACTION_ABORTABLE
    assert world.may_write(Producer(999, 0)) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert world.may_write(producer, name="nobody") == ErrorCode.INVALID_PRODUCER_ID_MAPPING


@pytest.mark.parametrize(
    ("state", "is_repeated", "commit", "code"),
    [
        # Apache Kafka's table for version 2. A repeated request has the epoch before the current one.
        ("Empty", True, False, ErrorCode.PRODUCER_FENCED),
        ("Empty", True, True, ErrorCode.PRODUCER_FENCED),
        ("Empty", False, False, ErrorCode.NONE),
        ("Empty", False, True, ErrorCode.INVALID_TXN_STATE),
        ("CompleteAbort", True, False, ErrorCode.NONE),
        ("CompleteAbort", True, True, ErrorCode.INVALID_TXN_STATE),
        ("CompleteAbort", False, False, ErrorCode.NONE),
        ("CompleteAbort", False, True, ErrorCode.INVALID_TXN_STATE),
        ("CompleteCommit", True, False, ErrorCode.INVALID_TXN_STATE),
        ("CompleteCommit", True, True, ErrorCode.NONE),
        ("CompleteCommit", False, False, ErrorCode.NONE),
        ("CompleteCommit", False, True, ErrorCode.INVALID_TXN_STATE),
    ],
)
def test_an_end_where_nothing_is_open_is_answered_as_apache_kafka_does(
    world: Transactions, state: str, is_repeated: bool, commit: bool, code: ErrorCode
) -> None:
    producer = world.producer()
    if state != "Empty":
        world.add(producer)
        producer = world.next(producer, commit=state == "CompleteCommit")
    before = producer.epoch
    reply = world.end(Producer(producer.producer_id, before - is_repeated), commit=commit)
    assert reply.error_code == code
    if code is ErrorCode.NONE:
        assert reply.producer_epoch == before + (not is_repeated)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("commit", [True, False])
def test_in_version_1_an_end_may_be_repeated_but_not_changed(
    world: Transactions, committed: bool, commit: bool
) -> None:
    producer = world.producer()
    assert world.end(producer, commit=commit, version=V1).error_code == ErrorCode.INVALID_TXN_STATE
    world.add_by_request(producer, "orders", 0)
    world.end(producer, commit=committed, version=V1)
    expected = ErrorCode.NONE if commit == committed else ErrorCode.INVALID_TXN_STATE
    assert world.end(producer, commit=commit, version=V1).error_code == expected


def test_an_end_that_is_repeated_while_markers_are_written_is_to_come_again(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    world.end_request(producer, commit=True)
    again = world.end_request(producer, commit=True)
    other = world.end_request(producer, commit=False)
    assert world.replies[again].error_code == ErrorCode.CONCURRENT_TRANSACTIONS  # type: ignore[attr-defined]
    assert world.replies[other].error_code == ErrorCode.INVALID_TXN_STATE  # type: ignore[attr-defined]


# Who takes over.


def test_a_new_producer_fences_the_old_one_and_aborts_what_it_left(world: Transactions) -> None:
    old = world.producer()
    world.add(old)
    assert world.init().error_code == ErrorCode.CONCURRENT_TRANSACTIONS
    assert world.state() is TransactionState.PREPARE_ABORT
    assert world.init().error_code == ErrorCode.CONCURRENT_TRANSACTIONS, "not before all partitions know"
    world.tell()
    assert not world.told[-1].commit
    new = world.producer()
    assert new.producer_id == old.producer_id
    assert new.epoch > old.epoch
    for version in (V1, V2):
        assert world.end(old, commit=True, version=version).error_code == ErrorCode.PRODUCER_FENCED
    assert world.init(last=old).error_code == ErrorCode.PRODUCER_FENCED


def test_older_clients_hear_of_their_fencing_by_the_name_they_know(world: Transactions) -> None:
    old = world.producer()
    world.producer()
    assert world.end(old, commit=True, version=1).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert world.init(last=old, version=3).error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert world.add_by_request(old, "orders", 0, version=1) == [ErrorCode.INVALID_PRODUCER_EPOCH]


def test_a_producer_goes_on_with_a_new_epoch_after_an_error(world: Transactions) -> None:
    first = world.producer()
    second = world.producer(last=first)
    assert second == Producer(first.producer_id, first.epoch + 1)
    assert world.producer(last=first) == second, "repeated, it has the same answer"
    assert world.producer(last=second).epoch == second.epoch + 1


def test_a_request_that_is_repeated_over_a_restart_has_the_same_answer(world: Transactions) -> None:
    first = world.producer()
    second = world.producer(last=first)
    world.restart()
    assert world.producer(last=first) == second
    world.add(second)
    third = world.next(second, commit=True)
    world.restart()
    assert world.producer(last=second) == third


def test_epochs_that_are_used_up_bring_a_new_producer_id(world: Transactions) -> None:
    producer = at_epoch(world, EPOCH_MAX - 1)
    new = world.producer()
    assert new.producer_id != producer.producer_id
    assert new.epoch == 0
    assert world.may_write(producer) == ErrorCode.INVALID_PRODUCER_ID_MAPPING


def test_an_end_that_uses_up_the_epochs_answers_a_new_producer_id_also_when_repeated(world: Transactions) -> None:
    producer = at_epoch(world, EPOCH_MAX - 1)
    world.add(producer)
    new = world.next(producer, commit=True)
    assert new.producer_id != producer.producer_id
    assert new.epoch == 0
    assert world.told[-1].producer_epoch == EPOCH_MAX
    assert world.next(producer, commit=True) == new


def test_the_last_epoch_can_still_be_fenced(world: Transactions) -> None:
    producer = at_epoch(world, EPOCH_MAX - 1)
    world.add(producer)
    new = world.producer()
    assert world.told[-1].producer_epoch == EPOCH_MAX
    assert new.producer_id != producer.producer_id


def at_epoch(world: Transactions, epoch: int) -> Producer:
    """A producer that has come so far."""
    producer = world.producer()
    found = world.coordinator.transaction(NAME)
    assert found is not None
    key, value = transaction_record(found.moved(TransactionState.EMPTY, world.wall_ms, epoch=epoch))
    world.log.append((key, value))
    world.coordinator.replay(key, value)
    return Producer(producer.producer_id, epoch)


def test_what_cannot_be_asked_for_is_refused(world: Transactions) -> None:
    assert world.init("").error_code == ErrorCode.INVALID_REQUEST
    assert world.init(timeout_ms=0).error_code == ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert world.init(timeout_ms=900_001).error_code == ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert world.init(last=Producer(5, -1)).error_code == ErrorCode.INVALID_REQUEST
    assert world.end(Producer(1, 1), commit=True).error_code == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert world.end(Producer(1, 1), commit=True, name="").error_code == ErrorCode.INVALID_REQUEST


def test_partitions_are_added_together_or_not_at_all(world: Transactions) -> None:
    producer = world.producer()
    codes = world.add_by_request(producer, "orders", 0, 99)
    assert codes == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert world.state() is TransactionState.EMPTY


def test_nobody_adds_the_log_of_a_coordinator(world: Transactions) -> None:
    world.topics["__consumer_offsets"] = (b"\x03" * 16, 1)
    producer = world.producer()
    assert world.add_by_request(producer, *OFFSETS) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED]
    assert world.state() is TransactionState.EMPTY


def test_brokers_add_and_verify_for_several_producers_at_once(world: Transactions) -> None:
    producers = {name: world.producer(name) for name in ("a", "b")}
    topics = [AddPartitionsToTxnTopic(name="orders", partitions=[0])]

    def asked(**verify_only: bool) -> list[int]:
        request = AddPartitionsToTxnRequest(
            transactions=[
                AddPartitionsToTxnTransaction(
                    transactional_id=name,
                    producer_id=producer.producer_id,
                    producer_epoch=producer.epoch,
                    verify_only=verify_only[name],
                    topics=topics,
                )
                for name, producer in producers.items()
            ]
        )
        reply: Any = world.ask("add_partitions", request, 5)
        return [
            result.topic_results[0].results_by_partition[0].partition_error_code
            for result in reply.results_by_transaction
        ]

    assert asked(a=False, b=True) == [ErrorCode.NONE, ErrorCode.TRANSACTION_ABORTABLE]
    assert asked(a=True, b=False) == [ErrorCode.NONE, ErrorCode.NONE]


# Time.


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    world.pass_time(TIMEOUT_MS - 1)
    assert world.state() is TransactionState.ONGOING
    world.pass_time(1)
    assert world.state() is TransactionState.PREPARE_ABORT
    world.tell()
    assert world.end(producer, commit=True).error_code == ErrorCode.PRODUCER_FENCED
    assert world.add(producer) == ErrorCode.PRODUCER_FENCED


def test_the_time_of_a_transaction_begins_with_its_first_partition(world: Transactions) -> None:
    producer = world.producer()
    world.pass_time(TIMEOUT_MS)
    world.add(producer)
    world.pass_time(TIMEOUT_MS - 1)
    producer = world.next(producer, commit=True)
    world.add(producer)
    world.pass_time(TIMEOUT_MS - 1)
    assert world.state() is TransactionState.ONGOING


def test_the_time_goes_on_over_a_restart(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    world.pass_time(TIMEOUT_MS // 2)
    world.restart()
    world.pass_time(TIMEOUT_MS // 2 - 1)
    assert world.state() is TransactionState.ONGOING
    world.pass_time(1)
    assert world.state() is TransactionState.PREPARE_ABORT


def test_a_date_that_jumps_ends_no_transaction(world: Transactions) -> None:
    world.add(world.producer())
    world.wall_ms += 10 * DAY_MS
    world.pass_time(TIMEOUT_MS - 1)
    assert world.state() is TransactionState.ONGOING


def test_an_id_that_nobody_uses_is_forgotten_but_never_while_a_transaction_is_open(world: Transactions) -> None:
    world = Transactions(TransactionConfig(id_expiration_ms=DAY_MS))
    world.producer("unused")
    producer = world.producer(timeout_ms=900_000)
    for _ in range(30):
        world.add(producer)
        world.pass_time(DAY_MS // 25)
        world.tell()
        producer = world.producer(timeout_ms=900_000)
    assert world.state("unused") is TransactionState.DEAD
    assert world.state() is TransactionState.EMPTY
    assert world.producer("unused").epoch == 0


# Restarts.


@pytest.mark.parametrize("commit", [True, False])
def test_a_decision_is_told_again_after_a_restart(world: Transactions, commit: bool) -> None:
    producer = world.producer()
    world.add(producer)
    world.end_request(producer, commit=commit)
    lost = world.untold
    world.restart()
    assert [markers._replace(ticket=None) for markers in lost] == world.untold
    world.tell()
    assert world.state() is (TransactionState.COMPLETE_COMMIT if commit else TransactionState.COMPLETE_ABORT)
    assert world.end(producer, commit=commit).error_code == ErrorCode.NONE, "it comes again, having heard nothing"


def test_an_open_transaction_goes_on_after_a_restart(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer)
    world.restart()
    assert world.may_write(producer) == ErrorCode.NONE
    assert world.next(producer, commit=True).epoch == producer.epoch + 1


def test_a_record_that_nobody_knows_is_not_passed_over() -> None:
    with pytest.raises(DiskError, match="newer version"):
        read_record(b"\0\x07\0\x01a", b"")
    with pytest.raises(DiskError, match="cannot be read"):
        read_record(b"\0\0\0\x01a", b"\0\x01\0")


def test_a_record_says_all_there_is_to_a_transaction() -> None:
    transaction = Transaction(
        transactional_id="mover", producer_id=7, epoch=3, timeout_ms=60_000, state=TransactionState.PREPARE_COMMIT,
        previous_producer_id=6, next_producer_id=8, partitions=frozenset({ORDERS_0, ("a", 1), ("a", 0)}),
        started_wall_ms=5, updated_wall_ms=9, version=2,
    )  # fmt: skip
    assert read_record(*transaction_record(transaction)) == ("mover", transaction)


# Looking at it.


def test_transactions_are_described_and_listed(world: Transactions) -> None:
    producer = world.producer()
    world.add(producer, ORDERS_0, ("orders", 2))
    producer_id, epoch = producer
    world.producer("idle")
    described: Any = world.ask(
        "describe", DescribeTransactionsRequest(transactional_ids=[NAME, "nobody", ""]), 0
    ).transaction_states
    assert [state.error_code for state in described] == [
        ErrorCode.NONE,
        ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
        ErrorCode.INVALID_REQUEST,
    ]
    assert described[0].transaction_state == "Ongoing"
    assert [(topic.topic, topic.partitions) for topic in described[0].topics] == [("orders", [0, 2])]
    assert (described[0].producer_id, described[0].producer_epoch) == (producer_id, epoch)
    assert described[0].transaction_start_time_ms == world.wall_ms

    def listed(**filters: Any) -> list[str]:
        reply = world.ask("list", ListTransactionsRequest(**filters), 1)
        assert reply.unknown_state_filters == [state for state in filters.get("state_filters", ()) if state == "Odd"]
        return sorted(state.transactional_id for state in reply.transaction_states)

    assert listed() == ["idle", NAME]
    assert listed(state_filters=["Ongoing"]) == [NAME]
    assert listed(state_filters=["Odd"]) == []
    assert listed(producer_id_filters=[producer_id]) == [NAME]
    world.pass_time(1000)
    assert listed(duration_filter=999) == [NAME]
    assert listed(duration_filter=1000) == []
