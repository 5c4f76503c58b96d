"""Streams in memory: real partitions, offsets, groups and transactions, and nothing that happens by chance. For tests.

One `MemoryBroker` is the broker; each service has a `MemoryTransport` to it. A broker may `go_away` and `come_back`.
What a transaction is, who is fenced, what can be read before its end and where its marker stands is as in Kafka
(KIP-98, KIP-447).
"""

from __future__ import annotations

from tidings.service.transports.memory.broker import MemoryBroker
from tidings.service.transports.memory.consumer import MemoryConsumer
from tidings.service.transports.memory.transactor import LostError, MemoryTransactor
from tidings.service.transports.memory.transport import MemoryTransport

__all__ = ["LostError", "MemoryBroker", "MemoryConsumer", "MemoryTransactor", "MemoryTransport"]
