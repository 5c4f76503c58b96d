"""Which topics the members of a consumer group read, from what they told each other through the group."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tidings.wire.codec import decode
from tidings.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from tidings.wire.primitives import MalformedError

_VERSION = struct.Struct(">h")


def subscribed_topics(metadata: Iterable[bytes]) -> frozenset[str] | None:
    """All topics of all members; None when one of them speaks a dialect we do not know.

    Every version begins as version 0 does, and the topics are there.
    """
    topics: set[str] = set()
    for data in metadata:
        try:
            subscription, _ = decode(ConsumerProtocolSubscription, 0, data, _VERSION.size)
        except MalformedError:
            return None
        topics.update(subscription.topics)
    return frozenset(topics)
