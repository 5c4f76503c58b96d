"""What consumers tell each other through a classic group: who reads what, and who is given what.

A classic coordinator passes it on unread. It has to be read where members of both protocols share a group (KIP-848).
Two bytes say the version; each version begins as the one before it does, and one we do not know is read as the last we
do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tidings.wire.codec import decode, encode_bytes
from tidings.wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartition,
)
from tidings.wire.primitives import MalformedError

_VERSION = struct.Struct(">h")
_VERSION_MAX = 3

ByName = dict[str, set[int]]
"""Partitions by the name of their topic."""


class Subscription(NamedTuple):
    topics: frozenset[str]
    owned: ByName
    """What the member still reads while it joins. One that gives up everything first (eager) names nothing."""
    rack_id: str | None


def subscribed_topics(metadata: Iterable[bytes]) -> frozenset[str] | None:
    """All topics of all members; None when one of them speaks a dialect we do not know."""
    topics: set[str] = set()
    for data in metadata:
        try:
            subscription, _ = decode(ConsumerProtocolSubscription, 0, data, _VERSION.size)
        except MalformedError:
            return None
        topics.update(subscription.topics)
    return frozenset(topics)


def read_subscription(data: bytes) -> Subscription:
    """Raises MalformedError."""
    said, _ = decode(ConsumerProtocolSubscription, version_of(data), data, _VERSION.size)
    return Subscription(frozenset(said.topics), _by_name(said.owned_partitions), said.rack_id or None)


def read_assignment(data: bytes) -> ByName:
    """Of a member that was given nothing yet it is empty altogether. Raises MalformedError."""
    if not data:
        return {}
    return _by_name(decode(ConsumerProtocolAssignment, version_of(data), data, _VERSION.size)[0].assigned_partitions)


def assignment(assigned: Mapping[str, Iterable[int]], version: int) -> bytes:
    parts = [TopicPartition(topic=name, partitions=sorted(assigned[name])) for name in sorted(assigned)]
    return _VERSION.pack(version) + encode_bytes(ConsumerProtocolAssignment(assigned_partitions=parts), version)


def version_of(data: bytes) -> int:
    """In which version a member speaks, and is to be spoken to. Raises MalformedError."""
    try:
        version: int = _VERSION.unpack_from(data)[0]
    except struct.error:
        raise MalformedError("no version of the consumers' protocol") from None
    if version < 0:
        raise MalformedError(f"there is no version {version} of the consumers' protocol")
    return min(version, _VERSION_MAX)


def _by_name(parts: Iterable[TopicPartition]) -> ByName:
    found: ByName = {}
    for part in parts:
        found.setdefault(part.topic, set()).update(part.partitions)
    return found
