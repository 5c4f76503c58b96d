"""What Tidings is held to beside Apache Kafka."""

from __future__ import annotations

from benchmarks.quantities import Target

THROUGHPUT = Target("at least", 1.0)
THROUGHPUT_FSYNC = Target("at least", 3.0)
P99 = Target("at most", 0.5)
START = Target("at most", 0.1)
RESIDENT = Target("at most", 0.25)
