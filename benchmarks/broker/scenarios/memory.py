"""What the broker holds in memory after all that was measured before."""

from __future__ import annotations

from benchmarks.broker.quantities import RESIDENT
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios.start import MEMORY
from benchmarks.machine import resident_mb
from benchmarks.quantities import Quantity


def measure(running: Running) -> None:
    after = Quantity(MEMORY, "after throughput, requests and topics", "MB", target=RESIDENT)
    running.add(after, resident_mb(running.server.pid))
