"""A thousand topics: how soon they are there, and one record per request to all of them in turn, fifty connections."""

from __future__ import annotations

from time import perf_counter

from benchmarks.broker import frames, load, raw_client
from benchmarks.broker.quantities import P99, THROUGHPUT
from benchmarks.broker.running import Running
from benchmarks.quantities import Quantity

RECORD_BYTES = 1024
CONNECTIONS = 50
FIRST_RECORDS = 6
"""More than it takes until a partition's indexes have their first entry: both brokers write one each 4 KiB, and Kafka's
indexes are files in memory, which the kernel makes when they are first written to."""


def measure(running: Running) -> None:
    count = running.sizes.topics
    title = f"{count:,} topics, {running.label}"
    names = [f"one-of-many-{number}" for number in range(count)]
    running.tell(f"creating {count:,} topics")
    begun = perf_counter()
    raw_client.create_topics(running.address, dict.fromkeys(names, 1))
    running.add(Quantity(title, "created in", "s"), perf_counter() - begun)
    batch = frames.batch(RECORD_BYTES, 1)
    path = frames.write(running.room / "topics", (frames.produce(name, 0, batch) for name in names))
    running.tell(f"one record per request to {count:,} topics")
    first = load.produce(running.port, path, connections=CONNECTIONS, requests=FIRST_RECORDS * count)
    often = first.requests / first.seconds
    running.add(Quantity(title, f"first {FIRST_RECORDS} records of each, requests", "/s", True), often)
    seen = load.produce(running.port, path, connections=CONNECTIONS, seconds=running.sizes.requests_s)
    running.add(Quantity(title, "then, requests", "/s", True, THROUGHPUT), seen.requests / seen.seconds)
    running.add(Quantity(title, "then, p99", "µs", target=P99), seen.p99)
