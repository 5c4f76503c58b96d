"""The records of `__consumer_offsets`, byte for byte as Apache Kafka 4.3.1 writes them (its own classes made these)."""

from __future__ import annotations

import pytest

from tidings.coordination.groups.group import Group
from tidings.coordination.groups.member import Member
from tidings.coordination.groups.offsets import Committed
from tidings.coordination.groups.records import (
    GroupRecord,
    OffsetRecord,
    group_key,
    group_record,
    offset_record,
    read_record,
)
from tidings.errors import DiskError

OFFSET_KEY = bytes.fromhex("000100077265616465727300066f726465727300000003")
OFFSET_VALUE = bytes.fromhex(
    "0004000000000000002a00000005056e6f74650000018bcfe5680001001001010101010101010101010101010101"
)
OFFSET_VALUE_WITHOUT_TOPIC_ID = bytes.fromhex("0004000000000000002affffffff010000018bcfe5680000")
OFFSET_VALUE_VERSION_3 = bytes.fromhex("0003000000000000002a0000000500046e6f74650000018bcfe56800")
OFFSET_VALUE_WITH_EXPIRY = bytes.fromhex("0001000000000000002a00046e6f74650000018bcfe568000000018bcfe56be8")
GROUP_KEY = bytes.fromhex("0002000772656164657273")
GROUP_VALUE = bytes.fromhex(
    "00030008636f6e73756d657200000002000572616e6765000b7368656c662d312d6964300000018bcfe5680000000001000b"
    "7368656c662d312d69643000077368656c662d310003617070000a2f3132372e302e302e310000ea60000027100000000201020000000103"
)
EMPTY_GROUP_VALUE = bytes.fromhex("00030008636f6e73756d657200000003ffffffff0000018bcfe5680000000000")

WALL_MS = 1_700_000_000_000
TOPIC_ID = b"\x01" * 16
FULL = Committed(42, 5, "note", WALL_MS, -1, TOPIC_ID)
BARE = Committed(42, -1, "", WALL_MS, -1, bytes(16))
EXPIRING = Committed(42, -1, "note", WALL_MS, WALL_MS + 1000, bytes(16))


def a_group() -> Group:
    group = Group("readers")
    group.generation = 2
    group.protocol_name = "range"
    group.state_since_wall_ms = WALL_MS
    member = Member("shelf-1-id0", "shelf-1", "app", "/127.0.0.1", 60_000, 10_000, {"range": b"\x01\x02", "x": b"y"})
    group.add(member, "consumer")
    return group


@pytest.mark.parametrize(
    ("committed", "value"),
    [(FULL, OFFSET_VALUE), (BARE, OFFSET_VALUE_WITHOUT_TOPIC_ID), (EXPIRING, OFFSET_VALUE_WITH_EXPIRY)],
)
def test_offsets_are_written_and_read_as_kafka_does(committed: Committed, value: bytes) -> None:
    assert offset_record("readers", "orders", 3, committed) == (OFFSET_KEY, value)
    assert read_record(OFFSET_KEY, value) == OffsetRecord("readers", "orders", 3, committed)


def test_offsets_an_older_kafka_wrote_are_read() -> None:
    record = read_record(OFFSET_KEY, OFFSET_VALUE_VERSION_3)
    assert record == OffsetRecord("readers", "orders", 3, FULL._replace(topic_id=bytes(16)))
    oldest_key = b"\x00\x00" + OFFSET_KEY[2:]
    assert read_record(oldest_key, None) == OffsetRecord("readers", "orders", 3, None)


def test_an_offset_is_taken_back_by_its_key() -> None:
    assert offset_record("readers", "orders", 3, None) == (OFFSET_KEY, None)


def test_a_group_is_written_as_kafka_does() -> None:
    assert group_record(a_group(), {"shelf-1-id0": b"\x03"}) == (GROUP_KEY, GROUP_VALUE)


def test_a_group_without_members_is_written_as_kafka_does() -> None:
    group = a_group()
    group.remove(group.members["shelf-1-id0"])
    group.generation, group.protocol_name = 3, None
    assert group_record(group, {}) == (GROUP_KEY, EMPTY_GROUP_VALUE)


def test_a_group_is_read_back_as_it_was_written() -> None:
    record = read_record(GROUP_KEY, GROUP_VALUE)
    assert isinstance(record, GroupRecord)
    assert record.metadata is not None
    group = Group(record.group_id)
    group.restore(record.metadata, GROUP_VALUE)
    assert (group.protocol_type, group.leader_id, group.static_ids) == (
        "consumer",
        "shelf-1-id0",
        {"shelf-1": "shelf-1-id0"},
    )
    assert group_record(group, {"shelf-1-id0": group.members["shelf-1-id0"].assignment}) == (GROUP_KEY, GROUP_VALUE)


def test_what_a_newer_version_wrote_is_not_skipped() -> None:
    with pytest.raises(DiskError, match="a newer version of Tidings wrote it"):
        read_record(b"\x00\x63" + GROUP_KEY[2:], b"\x00\x00")
    with pytest.raises(DiskError, match="has no version 9"):
        read_record(OFFSET_KEY, b"\x00\x09" + OFFSET_VALUE[2:])


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x00\x01\x00", group_key("readers")[:-1]])
def test_a_record_that_is_cut_short_is_not_skipped(key: bytes) -> None:
    with pytest.raises(DiskError):
        read_record(key, None)
