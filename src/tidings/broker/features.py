"""Features (KIP-584): protocols between APIs, each with the levels there are and the one in force.

The levels in force are those of Apache Kafka 4.3. None is changed while the broker runs.
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """The levels that could be chosen, and the one in force."""

    name: str
    level_min: int
    level_max: int
    level: int


FEATURES = (
    Feature("group.version", 0, 1, 1),  # 1: the consumer group protocol (KIP-848)
    Feature("share.version", 0, 1, 1),  # 1: share groups (KIP-932)
    Feature("transaction.version", 0, 2, 2),  # 2: each transaction has an epoch of its own (KIP-890)
)
FEATURES_EPOCH = 1
"""Rises when a level changes."""
