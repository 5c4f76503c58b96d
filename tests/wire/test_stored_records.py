"""What is stored in logs is what Apache Kafka 4.3.1 stores, byte for byte: its tools read our files, and we its."""

from __future__ import annotations

from typing import Any

import pytest
from tests.wire.generated import as_of

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Message
from tidings.wire.messages.group_records import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from tidings.wire.messages.metadata_records import (
    ClientQuotaRecord,
    ConfigRecord,
    EntityData,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)

TOPIC_ID = bytes(range(1, 17))
TIME_MS = 1700000000000

PARTITION = PartitionRecord(
    partition_id=3, topic_id=TOPIC_ID, replicas=[1], isr=[1], leader=1, leader_epoch=4, partition_epoch=9,
    leader_recovery_state=1, directories=[TOPIC_ID], eligible_leader_replicas=[1, 2], last_known_elr=[3],
)  # fmt: skip
OFFSET = OffsetCommitValue(
    offset=42,
    leader_epoch=5,
    metadata="m",
    commit_timestamp=TIME_MS,
    expire_timestamp=TIME_MS + 1000,
    topic_id=TOPIC_ID,
)
MEMBER = MemberMetadata(
    member_id="m-1", group_instance_id="i", client_id="app", client_host="/127.0.0.1", rebalance_timeout=300000,
    session_timeout=45000, subscription=b"sub", assignment=b"ass",
)  # fmt: skip
GROUP = GroupMetadataValue(
    protocol_type="consumer", generation=6, protocol="range", leader="m-1", current_state_timestamp=TIME_MS,
    members=[MEMBER],
)  # fmt: skip

FROM_JAVA: list[tuple[Any, int, str]] = [
    (
        ClientQuotaRecord(
            entity=[
                EntityData(entity_type="client-id", entity_name="app"),
                EntityData(entity_type="user", entity_name="ann"),
            ],
            key="producer_byte_rate",
            value=1000.5,
        ),
        0,
        "030a636c69656e742d69640461707000057573657204616e6e001370726f64756365725f627974655f72617465408f44"
        "00000000000000",
    ),
    (
        ClientQuotaRecord(
            entity=[
                EntityData(entity_type="client-id", entity_name=None),
                EntityData(entity_type="user", entity_name="ann"),
            ],
            key="producer_byte_rate",
            remove=True,
        ),
        0,
        "030a636c69656e742d69640000057573657204616e6e001370726f64756365725f627974655f7261746500000000000000000100",
    ),
    (
        TopicRecord(name="orders", topic_id=TOPIC_ID),
        0,
        "076f72646572730102030405060708090a0b0c0d0e0f1000",
    ),
    (
        RemoveTopicRecord(topic_id=TOPIC_ID),
        0,
        "0102030405060708090a0b0c0d0e0f1000",
    ),
    (
        ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value="1000"),
        0,
        "02076f72646572730d726574656e74696f6e2e6d73053130303000",
    ),
    (
        ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value=None),
        0,
        "02076f72646572730d726574656e74696f6e2e6d730000",
    ),
    (
        ProducerIdsRecord(broker_id=1, broker_epoch=7, next_producer_id=2000),
        0,
        "00000001000000000000000700000000000007d000",
    ),
    (
        PARTITION,
        0,
        ("000000030102030405060708090a0b0c0d0e0f1002000000010200000001010100000001000000040000000901000101"),
    ),
    (
        PARTITION,
        1,
        (
            "000000030102030405060708090a0b0c0d0e0f1002000000010200000001010100000001000000040000000902010203"
            "0405060708090a0b0c0d0e0f1001000101"
        ),
    ),
    (
        PARTITION,
        2,
        (
            "000000030102030405060708090a0b0c0d0e0f1002000000010200000001010100000001000000040000000902010203"
            "0405060708090a0b0c0d0e0f1003000101010903000000010000000202050200000003"
        ),
    ),
    (
        OFFSET,
        0,
        "000000000000002a00016d0000018bcfe56800",
    ),
    (
        OFFSET,
        1,
        "000000000000002a00016d0000018bcfe568000000018bcfe56be8",
    ),
    (
        OFFSET,
        2,
        "000000000000002a00016d0000018bcfe56800",
    ),
    (
        OFFSET,
        3,
        "000000000000002a0000000500016d0000018bcfe56800",
    ),
    (
        OFFSET,
        4,
        ("000000000000002a00000005026d0000018bcfe568000100100102030405060708090a0b0c0d0e0f10"),
    ),
    (
        OffsetCommitKey(group="shipping", topic="orders", partition=3),
        0,
        "00087368697070696e6700066f726465727300000003",
    ),
    (
        GroupMetadataKey(group="shipping"),
        0,
        "00087368697070696e67",
    ),
    (
        GROUP,
        0,
        (
            "0008636f6e73756d657200000006000572616e676500036d2d310000000100036d2d310003617070000a2f3132372e30"
            "2e302e310000afc80000000373756200000003617373"
        ),
    ),
    (
        GROUP,
        1,
        (
            "0008636f6e73756d657200000006000572616e676500036d2d310000000100036d2d310003617070000a2f3132372e30"
            "2e302e31000493e00000afc80000000373756200000003617373"
        ),
    ),
    (
        GROUP,
        2,
        (
            "0008636f6e73756d657200000006000572616e676500036d2d310000018bcfe568000000000100036d2d310003617070"
            "000a2f3132372e302e302e31000493e00000afc80000000373756200000003617373"
        ),
    ),
    (
        GROUP,
        3,
        (
            "0008636f6e73756d657200000006000572616e676500036d2d310000018bcfe568000000000100036d2d310001690003"
            "617070000a2f3132372e302e302e31000493e00000afc80000000373756200000003617373"
        ),
    ),
    (
        GROUP,
        4,
        (
            "09636f6e73756d6572000000060672616e6765046d2d310000018bcfe5680002046d2d310269046170700b2f3132372e"
            "302e302e31000493e00000afc804737562046173730000"
        ),
    ),
]


@pytest.mark.parametrize(("record", "version", "data"), FROM_JAVA)
def test_stored_record_is_that_of_apache_kafka(record: Message, version: int, data: str) -> None:
    expected = as_of(record, version)
    assert encode_bytes(expected, version).hex() == data
    assert decode(type(record), version, bytes.fromhex(data))[0] == expected
