"""What a share group is held to; Apache Kafka's names and defaults."""

from __future__ import annotations

from typing import NamedTuple

THROTTLED_SINCE_MIN = 2
DELIVERIES_MIN = 2


class Limits(NamedTuple):
    deliveries_max: int = 5  # share.delivery.count.limit
    lock_ms: int = 30_000  # share.record.lock.duration.ms
    locks_max: int = 2000  # share.partition.max.record.locks
    renewable: bool = True  # share.renew.acknowledge.enable

    @property
    def throttled_since(self) -> int:
        """Records that came back this often are handed out a few at a time, lest one bad record fail all the others."""
        return max(THROTTLED_SINCE_MIN, -(-self.deliveries_max // 2))

    def records_max(self, delivery_count: int, batch_records: int) -> int:
        """How many records that came back `delivery_count` times are handed out at once, of a batch so large.

        For the last time each is handed out alone: whether it is accepted then is up to itself.
        """
        if delivery_count < self.throttled_since:
            return batch_records
        if delivery_count == self.deliveries_max - 1 and self.deliveries_max > DELIVERIES_MIN:
            return 1
        return max(1, batch_records >> (delivery_count - self.throttled_since + 1))
