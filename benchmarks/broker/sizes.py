"""How much of everything. Both brokers get the same."""

from __future__ import annotations

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    """Bytes are those of the records' values, before they are compressed; MB and GB are powers of ten."""

    warm_up_s: float = 10.0
    throughput_mb: float = 400.0
    throughput_small_mb: float = 200.0
    """For records of 100 bytes: a client needs ten times as long for a MB of them."""
    throughput_fsync_share: float = 0.5
    requests_s: float = 4.0
    end_to_end_s: float = 5.0
    topics: int = 1000
    idle_s: float = 5.0
    log_gb: float = 5.0
    partitions: int = 10_000
    tail_gb: float = 50.0
    connections: int = 10_000


STANDARD = Sizes()

QUICK = Sizes(
    warm_up_s=2.0,
    throughput_mb=50.0,
    throughput_small_mb=20.0,
    requests_s=1.0,
    end_to_end_s=1.0,
    topics=100,
    idle_s=1.0,
    log_gb=0.3,
    partitions=500,
    tail_gb=0.5,
    connections=500,
)
"""Whether it works, not what comes of it."""
