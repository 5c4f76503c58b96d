"""What is no message raises MalformedError, and nothing else, before it costs anything."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.wire.generated import MESSAGES, as_of, instances, versions

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.message import Array, Message, Struct
from tidings.wire.messages.api_versions import ApiVersionsResponse
from tidings.wire.messages.fetch import FetchRequest, ReplicaState
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.metadata import MetadataRequest
from tidings.wire.messages.produce import ProduceRequest
from tidings.wire.primitives import MalformedError, write_uvarint
from tidings.wire.source import bytes_min

VERSIONED = [(cls, version) for cls in MESSAGES for version in versions(cls)]
PREFIXES_MAX = 150


@pytest.mark.parametrize("cls", MESSAGES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_message_that_is_cut_short_anywhere_is_refused(cls: type[Message], data: st.DataObject) -> None:
    drawn = data.draw(instances(cls))
    for version in versions(cls):
        encoded = memoryview(encode_bytes(as_of(drawn, version), version))
        step = 1 + len(encoded) // PREFIXES_MAX
        for size in [*range(0, len(encoded), step), *range(max(0, len(encoded) - 10), len(encoded))]:
            with pytest.raises(MalformedError):
                decode(cls, version, encoded[:size])


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(VERSIONED), st.binary(max_size=200))
def test_bytes_by_chance_are_a_message_or_malformed(versioned: tuple[type[Message], int], data: bytes) -> None:
    with suppress(MalformedError):
        _, pos = decode(*versioned, data)
        assert pos <= len(data)


@pytest.mark.parametrize("cls", MESSAGES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_message_with_a_damaged_byte_is_a_message_or_malformed(cls: type[Message], data: st.DataObject) -> None:
    version = data.draw(st.sampled_from(versions(cls)))
    encoded = bytearray(encode_bytes(as_of(data.draw(instances(cls)), version), version))
    for at in data.draw(st.lists(st.integers(0, max(0, len(encoded) - 1)), max_size=10)) if encoded else []:
        before, encoded[at] = encoded[at], data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
        with suppress(MalformedError):
            decode(cls, version, encoded)
        encoded[at] = before


def _arrays(cls: type[Struct], version: int) -> Iterator[Array]:
    for f in cls.FIELDS:
        kind: Any = f.kind
        while f.in_version(version) and isinstance(kind, Array):
            yield kind
            kind = kind.of
        if f.in_version(version) and isinstance(kind, type):
            yield from _arrays(kind, version)


@pytest.mark.parametrize("cls", MESSAGES)
def test_every_element_of_an_array_takes_a_byte_at_least(cls: type[Message]) -> None:
    """Or else a count alone, which costs the peer nothing, would make us build its elements."""
    for version in versions(cls):
        for array in _arrays(cls, version):
            assert bytes_min(array.of, version, version >= cls.flexible_since) >= 1


def test_counts_and_lengths_that_lie_cost_no_memory() -> None:
    patterns = [b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x0f", b"\x00\x00\x7f\xff\xff\xff", b"\x01"]
    for cls, version in VERSIONED:
        with suppress(MalformedError):
            decode(cls, version, b"")  # compiles
    tracemalloc.start()
    try:
        for cls, version in VERSIONED:
            for pattern in patterns:
                with suppress(MalformedError):
                    decode(cls, version, pattern * 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize(
    ("cls", "version", "data", "why"),
    [
        (HeartbeatRequest, 0, "ffff 00000000 0000", "group_id is null"),
        (HeartbeatRequest, 0, "fffe 00000000 0000", "a string of -2 bytes"),
        (HeartbeatRequest, 0, "0002 c328 00000000 0000", "not UTF-8"),
        (HeartbeatRequest, 4, "00 00000000 01 00 00", "group_id is null"),
        (HeartbeatRequest, 4, "03 c328 00000000 01 00 00", "not UTF-8"),
        (HeartbeatRequest, 4, "ffffffff1f 00000000 01 00 00", "longer than 32 bits"),
        (MetadataRequest, 0, "ffffffff", "topics is null"),
        (MetadataRequest, 1, "7fffffff", "an array of 2147483647 elements"),
        (MetadataRequest, 1, "fffffffe", "an array of -2 elements"),
        (MetadataRequest, 9, "ffffffff0f", "an array of 4294967294 elements"),
        (ProduceRequest, 3, "ffff ffff 00000000 00000001 0000 00000001 00000000 fffffffe", "bytes of -2 bytes"),
        (ProduceRequest, 3, "ffff ffff 00000000 00000001 0000 00000001 00000000 7fffffff", "where 0 remain"),
        (ApiVersionsResponse, 3, "0000 01 00000000 01 0100 0000000000000000", "does not fill its size"),
        (ApiVersionsResponse, 3, "0000 01 00000000 02 0108 0000000000000000 0001 01", "out of order"),
        (ApiVersionsResponse, 3, "0000 01 00000000 02 0301 01 0301 01", "out of order"),
        (ApiVersionsResponse, 3, "0000 01 00000000 01 0302 0101", "does not fill its size"),
        (ApiVersionsResponse, 3, "0000 01 00000000 ffffffff0f 0301 01", "cut short"),
        (ApiVersionsResponse, 3, "0000 01 00000000 8000", "more than a byte"),
    ],
)
def test_refusal_says_what_was_wrong(cls: type[Message], version: int, data: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        decode(cls, version, bytes.fromhex(data))


@pytest.mark.parametrize("version", [-1, 5, 32767])
def test_version_that_does_not_exist_is_refused(version: int) -> None:
    with pytest.raises(MalformedError, match="has no version"):
        decode(HeartbeatRequest, version, bytes(100))


@given(st.dictionaries(st.integers(4, 2**32 - 1), st.binary(max_size=300), max_size=5))
@example({4: b"x" * 300})
def test_unknown_tagged_fields_are_passed_over(unknown: dict[int, bytes]) -> None:
    """A newer peer may send what this version does not know of (KIP-482)."""
    tags = b"".join(write_uvarint(tag) + write_uvarint(len(value)) + value for tag, value in sorted(unknown.items()))
    data = bytes.fromhex("0007 01 00000000") + write_uvarint(len(unknown) + 1) + bytes.fromhex("0301 01") + tags
    message, pos = decode(ApiVersionsResponse, 3, data)
    assert (message.error_code, message.zk_migration_ready, pos) == (7, True, len(data))


def test_shared_default_cannot_be_changed() -> None:
    request = FetchRequest()
    assert request.replica_state == ReplicaState()
    with pytest.raises(AttributeError, match="assign a new one"):
        request.replica_state.replica_id = 1
    request.replica_state = ReplicaState(replica_id=1)
    assert FetchRequest().replica_state.replica_id == -1
    assert decode(FetchRequest, 15, encode_bytes(request, 15))[0] == request
