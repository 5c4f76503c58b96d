"""The records of the consumer protocol, byte for byte as Apache Kafka 4.3.1 writes them (by its own classes)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidings.coordination.groups.consumer.group import ConsumerGroup, ResolvedRegex
from tidings.coordination.groups.consumer.member import ConsumerMember, MemberState
from tidings.coordination.groups.consumer.records import (
    all_records,
    assignment_record,
    epoch_record,
    group_tombstones,
    member_record,
    regex_record,
    replay,
    target_epoch_record,
    target_record,
)
from tidings.coordination.groups.records import ConsumerGroupRecord, read_record
from tidings.coordination.outcome import Record
from tidings.errors import DiskError

EPOCH = (bytes.fromhex("0003000772656164657273"), bytes.fromhex("000000000007010008fffffffffffffffe"))
MEMBER = (
    bytes.fromhex("000500077265616465727300036d2d31"),
    bytes.fromhex(
        "0000087368656c662d310272046170700b2f3132372e302e302e3103076f7264657273097061796d656e7473046f2e2a"
        "0000ea600672616e676500"
    ),
)
BARE_MEMBER = (
    bytes.fromhex("000500077265616465727300036d2d31"),
    bytes.fromhex("00000000046170700b2f3132372e302e302e3102076f7264657273000000ea600000"),
)
TARGET_EPOCH = (bytes.fromhex("0006000772656164657273"), bytes.fromhex("0000000000070100080000018bcfe56800"))
TARGET = (
    bytes.fromhex("000700077265616465727300036d2d31"),
    bytes.fromhex("000002010101010101010101010101010101010300000000000000020000"),
)
ASSIGNMENT = (
    bytes.fromhex("000800077265616465727300036d2d31"),
    bytes.fromhex(
        "000000000007000000060102010101010101010101010101010101010300000000000000020100090300000005000000"
        "0702010101010101010101010101010101010200000001010005020000000500"
    ),
)
ASSIGNMENT_BEFORE_4_3 = (
    bytes.fromhex("000800077265616465727300036d2d31"),
    bytes.fromhex("00000000000700000006000201010101010101010101010101010101030000000000000002000100"),
)
REGEX = (
    bytes.fromhex("001000077265616465727300036f2e2a"),
    bytes.fromhex("000002076f726465727300000000000000090000018bcfe5680000"),
)

WALL_MS = 1_700_000_000_000
TOPIC_ID = b"\x01" * 16
MEMBER_SAID = ConsumerMember(
    "m-1", "shelf-1", "r", "app", "/127.0.0.1", frozenset({"orders", "payments"}), "o.*", 60_000, "range"
)
BARE = ConsumerMember(
    "m-1", client_id="app", client_host="/127.0.0.1", topic_names=frozenset({"orders"}), rebalance_timeout_ms=60_000
)
HAS = replace(
    BARE,
    epoch=7,
    previous_epoch=6,
    state=MemberState.UNREVOKED_PARTITIONS,
    assigned={TOPIC_ID: {0: 5, 2: 7}},
    revoking={TOPIC_ID: {1: 5}},
)


@pytest.mark.parametrize(
    ("record", "as_kafka"),
    [
        (epoch_record("readers", 7, -2), EPOCH),
        (member_record("readers", MEMBER_SAID), MEMBER),
        (member_record("readers", BARE), BARE_MEMBER),
        (target_epoch_record("readers", 7, WALL_MS), TARGET_EPOCH),
        (target_record("readers", "m-1", {TOPIC_ID: frozenset({0, 2})}), TARGET),
        (assignment_record("readers", HAS), ASSIGNMENT),
        (regex_record("readers", "o.*", ResolvedRegex(frozenset({"orders"}), 9, WALL_MS)), REGEX),
    ],
)
def test_records_are_written_as_kafka_does(record: Record, as_kafka: Record) -> None:
    assert record == as_kafka


def replayed(*records: Record) -> ConsumerGroup:
    group = ConsumerGroup("readers")
    for key, value in records:
        record = read_record(key, value)
        assert isinstance(record, ConsumerGroupRecord)
        assert record.group_id == "readers"
        replay(group, record.at, record.said)
    return group


def test_a_group_is_read_back_as_it_was_written() -> None:
    records = [EPOCH, MEMBER, REGEX, TARGET_EPOCH, TARGET, ASSIGNMENT]
    group = replayed(*records)
    assert list(all_records(group)) == records
    assert group.static_ids == {"shelf-1": "m-1"}
    assert group.owners == dict.fromkeys([(TOPIC_ID, 0), (TOPIC_ID, 1), (TOPIC_ID, 2)], "m-1")


def test_the_order_of_a_members_records_does_not_matter() -> None:
    assert replayed(ASSIGNMENT, MEMBER).members == replayed(MEMBER, ASSIGNMENT).members


def test_partitions_of_a_record_without_epochs_are_had_since_the_members_epoch() -> None:
    group = replayed(BARE_MEMBER, ASSIGNMENT_BEFORE_4_3)
    assert group.members["m-1"].assigned == {TOPIC_ID: {0: 7, 2: 7}}


def test_tombstones_leave_nothing() -> None:
    before = replayed(EPOCH, MEMBER, REGEX, TARGET_EPOCH, TARGET, ASSIGNMENT)
    after = replayed(EPOCH, MEMBER, REGEX, TARGET_EPOCH, TARGET, ASSIGNMENT, *group_tombstones(before)[:-1])
    assert (after.members, after.targets, after.regexes, after.owners, after.static_ids) == ({}, {}, {}, {}, {})
    assert after.target_epoch == -1


def test_what_kafka_before_4_1_wrote_of_topics_is_passed_over() -> None:
    key = b"\x00\x04" + EPOCH[0][2:]
    assert vars(replayed((key, b"\0\0\1\0"))) == vars(replayed((key, None))) == vars(ConsumerGroup("readers"))


def test_a_state_of_a_later_version_is_not_guessed_at() -> None:
    key, value = ASSIGNMENT
    with pytest.raises(DiskError, match="is in state 9"):
        replayed((key, value[:10] + b"\x09" + value[11:]))
