"""The settings of consumer groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_DAY_MS = 24 * 60 * 60 * 1000

MigrationPolicy = Literal["disabled", "upgrade", "downgrade", "bidirectional"]
"""Which way a group may change its protocol while members are in it: to the consumer protocol, to the classic one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """Names in comments are Apache Kafka's, whose defaults these are, with two exceptions.

    `initial_rebalance_delay_ms` is how long an empty group waits for more members before its first generation; every
    member that comes meanwhile prolongs the wait, up to the rebalance timeout. Kafka's 3 s suit a fleet that is rolled
    out over a network, and cost every lone consumer 3 s. A member that comes too late costs one more rebalance, which
    the others notice at their next heartbeat, by default within 3 s. So a short wait is never much worse than the long
    one; 0 would let each process of a service that starts as five form a generation of its own.

    `consumer_unsettled_heartbeat_interval_ms` is how often a member of the consumer protocol is to ask while it waits
    for partitions that others are giving up, or gives up some itself; Kafka lets it wait for the usual interval.
    """

    members_max: int = 2**31 - 1  # group.max.size
    initial_rebalance_delay_ms: int = 200  # group.initial.rebalance.delay.ms, there 3000
    session_timeout_ms_min: int = 6_000  # group.min.session.timeout.ms
    session_timeout_ms_max: int = 1_800_000  # group.max.session.timeout.ms
    new_member_join_timeout_ms: int = 300_000  # not configurable in Kafka
    consumer_members_max: int = 2**31 - 1  # group.consumer.max.size
    consumer_session_timeout_ms: int = 45_000  # group.consumer.session.timeout.ms
    consumer_heartbeat_interval_ms: int = 5_000  # group.consumer.heartbeat.interval.ms
    consumer_unsettled_heartbeat_interval_ms: int = 500
    share_members_max: int = 200  # group.share.max.size
    share_session_timeout_ms: int = 45_000  # group.share.session.timeout.ms
    share_heartbeat_interval_ms: int = 5_000  # group.share.heartbeat.interval.ms
    migration_policy: MigrationPolicy = "bidirectional"  # group.consumer.migration.policy
    offset_metadata_chars_max: int = 4096  # offset.metadata.max.bytes (which counts characters)
    offsets_retention_ms: int = 7 * _DAY_MS  # offsets.retention.minutes
    offsets_retention_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms

    @property
    def allows_upgrade(self) -> bool:
        return self.migration_policy in ("upgrade", "bidirectional")

    @property
    def allows_downgrade(self) -> bool:
        return self.migration_policy in ("downgrade", "bidirectional")
