"""Every message, in every version: byte for byte what an independent implementation makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.generated import MESSAGES, as_of, instances, versions
from tests.wire.oracle import oracle_bytes, oracle_class

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Message

STORED_RECORDS = {
    "AccessControlEntryRecord",
    "ClientQuotaRecord",
    "ConfigRecord",
    "ConsumerGroupCurrentMemberAssignmentKey",
    "ConsumerGroupCurrentMemberAssignmentValue",
    "ConsumerGroupMemberMetadataKey",
    "ConsumerGroupMemberMetadataValue",
    "ConsumerGroupMetadataKey",
    "ConsumerGroupMetadataValue",
    "ConsumerGroupPartitionMetadataKey",
    "ConsumerGroupPartitionMetadataValue",
    "ConsumerGroupRegularExpressionKey",
    "ConsumerGroupRegularExpressionValue",
    "ConsumerGroupTargetAssignmentMemberKey",
    "ConsumerGroupTargetAssignmentMemberValue",
    "ConsumerGroupTargetAssignmentMetadataKey",
    "ConsumerGroupTargetAssignmentMetadataValue",
    "GroupMetadataKey",
    "GroupMetadataValue",
    "OffsetCommitKey",
    "OffsetCommitValue",
    "PartitionRecord",
    "ProducerIdsRecord",
    "RemoveAccessControlEntryRecord",
    "RemoveTopicRecord",
    "RemoveUserScramCredentialRecord",
    "ShareGroupCurrentMemberAssignmentKey",
    "ShareGroupCurrentMemberAssignmentValue",
    "ShareGroupMemberMetadataKey",
    "ShareGroupMemberMetadataValue",
    "ShareGroupMetadataKey",
    "ShareGroupMetadataValue",
    "ShareGroupStatePartitionMetadataKey",
    "ShareGroupStatePartitionMetadataValue",
    "ShareGroupTargetAssignmentMemberKey",
    "ShareGroupTargetAssignmentMemberValue",
    "ShareGroupTargetAssignmentMetadataKey",
    "ShareGroupTargetAssignmentMetadataValue",
    "ShareSnapshotKey",
    "ShareSnapshotValue",
    "ShareUpdateKey",
    "ShareUpdateValue",
    "TopicRecord",
    "UserScramCredentialRecord",
    "TransactionLogKey",
    "TransactionLogValue",
}
"""What is stored in logs and never sent has no oracle: see test_stored_records."""


def test_oracle_knows_every_version_of_all_that_is_sent() -> None:
    unknown = {cls.__name__ for cls in MESSAGES for version in versions(cls) if oracle_class(cls, version) is None}
    assert unknown == STORED_RECORDS


@pytest.mark.parametrize("cls", MESSAGES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_message_is_encoded_as_the_oracle_does_and_read_back(cls: type[Message], data: st.DataObject) -> None:
    drawn = data.draw(instances(cls))
    for version in versions(cls):
        message = as_of(drawn, version)
        encoded = encode_bytes(message, version)
        if oracle_class(cls, version) is not None:
            assert encoded == oracle_bytes(message, version)
        for buffer in (encoded, bytearray(encoded), memoryview(bytearray(encoded))):
            assert decode(cls, version, buffer) == (message, len(encoded))
        assert decode(cls, version, b"head" + encoded + b"tail", 4) == (message, 4 + len(encoded))
