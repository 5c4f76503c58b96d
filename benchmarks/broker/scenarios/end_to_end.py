"""From when a record is due until a consumer has it, at a rate that both brokers can keep."""

from __future__ import annotations

from benchmarks.broker import frames, load
from benchmarks.broker.load import Load
from benchmarks.broker.quantities import P99
from benchmarks.broker.running import Running
from benchmarks.machine import have_at_hand
from benchmarks.quantities import Quantity

RECORD_BYTES = 1024
SPARE_BYTES = 300_000_000
"""Memory to have at hand for the page cache."""

RATES = (1_000, 10_000)
REQUEST_RECORDS_MAX = 100
"""What waits goes together, up to so many."""


def measure(running: Running) -> None:
    for rate in RATES:
        have_at_hand(SPARE_BYTES, running.room)
        running.tell(f"end to end, {rate:,} records/s")
        seen = run(running, f"end-to-end-{rate}", rate=rate, seconds=running.sizes.end_to_end_s)
        title = f"End-to-end latency, {running.label}"
        running.add(Quantity(title, f"{rate:,} records/s, p50", "µs"), seen.p50)
        running.add(Quantity(title, f"{rate:,} records/s, p99", "µs", target=P99), seen.p99)


def run(running: Running, name: str, *, rate: int, seconds: float) -> Load:
    """On the topic `name`, which must be empty."""
    topic = running.topic(name)
    batches = (frames.batch(RECORD_BYTES, count) for count in range(1, REQUEST_RECORDS_MAX + 1))
    produce = frames.write(running.room / f"{name}.produce", (frames.produce(topic, 0, each) for each in batches))
    fetch = frames.write(running.room / f"{name}.fetch", [frames.fetch(topic, 0)])
    offset_at = frames.fetch_offset_at(topic)
    return load.end_to_end(running.port, produce, fetch, offset_at=offset_at, rate=rate, seconds=seconds)
