"""What a produce costs with one partition and with ten thousand: one record per request, one connection."""

from __future__ import annotations

from time import perf_counter

from benchmarks.broker import frames, load, raw_client
from benchmarks.broker.running import Running
from benchmarks.quantities import Quantity, limit

RECORD_BYTES = 1024
TOPICS = 10


def measure(running: Running) -> None:
    count = running.sizes.partitions
    title = f"Produce with 1 and with {count:,} partitions, {running.label}"
    batch = frames.batch(RECORD_BYTES, 1)
    alone = running.topic("alone")
    one = frames.write(running.room / "one-partition", [frames.produce(alone, 0, batch)])
    running.tell("one partition")
    before = load.produce(running.port, one, seconds=running.sizes.requests_s)
    running.tell(f"creating {count:,} partitions")
    names = [f"wide-{number}" for number in range(TOPICS)]
    begun = perf_counter()
    for name in names:
        raw_client.create_topics(running.address, {name: count // TOPICS}, timeout_s=600)
    running.add(Quantity(title, f"{count:,} partitions created in", "s"), perf_counter() - begun)
    wide = (frames.produce(name, index, batch) for index in range(count // TOPICS) for name in names)
    all_of_them = frames.write(running.room / "all-partitions", wide)
    running.tell(f"one record per request to {count:,} partitions")
    load.produce(running.port, all_of_them, connections=10, requests=count)  # files are made with the first
    beside = load.produce(running.port, one, seconds=running.sizes.requests_s)
    each = load.produce(running.port, all_of_them, seconds=running.sizes.requests_s)
    running.add(Quantity(title, "1 partition, p50", "µs"), before.p50)
    running.add(Quantity(title, "1 partition, p99", "µs"), before.p99)
    for name, seen in ((f"to one of {count:,}", beside), (f"to {count:,} in turn", each)):
        running.add(Quantity(title, f"{name}, p50", "µs"), seen.p50)
        running.add(Quantity(title, f"{name}, p99", "µs"), seen.p99)
        running.add(Quantity(title, f"{name}, p50 as a multiple", "x", target=limit(2)), seen.p50 / before.p50)
        running.add(Quantity(title, f"{name}, p99 as a multiple", "x", target=limit(2)), seen.p99 / before.p99)
