"""One record per request, the next when it is acknowledged, on one connection and on fifty; one partition."""

from __future__ import annotations

from benchmarks.broker import frames, load
from benchmarks.broker.quantities import P99, THROUGHPUT, THROUGHPUT_FSYNC
from benchmarks.broker.running import Running
from benchmarks.machine import have_at_hand
from benchmarks.quantities import Quantity

RECORD_BYTES = 1024
SPARE_BYTES = 300_000_000
"""Memory to have at hand for the page cache."""

CONNECTIONS = (1, 50)


def measure(running: Running) -> None:
    topic = running.topic("requests")
    path = frames.write(running.room / "requests", [frames.produce(topic, 0, frames.batch(RECORD_BYTES, 1))])
    for connections in CONNECTIONS:
        have_at_hand(SPARE_BYTES, running.room)
        running.tell(f"one record per request, {connections} connections")
        seen = load.produce(running.port, path, connections=connections, seconds=running.sizes.requests_s)
        title = f"One record per request, {running.label}"
        on = f"{connections} connection{'s' * (connections > 1)}"
        often = THROUGHPUT_FSYNC if running.durability == "fsync" else THROUGHPUT
        running.add(Quantity(title, f"{on}, requests", "/s", True, often), seen.requests / seen.seconds)
        running.add(Quantity(title, f"{on}, p50", "µs"), seen.p50)
        running.add(Quantity(title, f"{on}, p99", "µs", target=P99), seen.p99)
