"""What thousands of clients cost that are connected and say nothing, in memory and to one that works."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.broker import frames, load, raw_client
from benchmarks.broker.running import Running
from benchmarks.machine import resident_mb
from benchmarks.quantities import Quantity, limit

RECORD_BYTES = 1024
TIMEOUT_S = 60.0
MEMORY_MB_MAX = 512


def measure(running: Running) -> None:
    count = running.sizes.connections
    title = f"{count:,} idle connections, {running.label}"
    topic = running.topic("working")
    path = frames.write(running.room / "working", [frames.produce(topic, 0, frames.batch(RECORD_BYTES, 1))])
    running.tell("a client alone")
    alone = load.produce(running.port, path, seconds=running.sizes.requests_s)
    memory_before = resident_mb(running.server.pid)
    with ExitStack() as open_ones:
        running.tell(f"opening {count:,} connections")
        for _ in range(count):
            connection = open_ones.enter_context(raw_client.connected(running.address, TIMEOUT_S))
            raw_client.greet(connection)
        running.tell(f"a client beside {count:,}")
        beside = load.produce(running.port, path, seconds=running.sizes.requests_s)
        memory = resident_mb(running.server.pid)
        raw_client.greet(connection)  # the last one is still there
    running.add(Quantity(title, "memory before", "MB"), memory_before)
    running.add(Quantity(title, "memory", "MB", target=limit(MEMORY_MB_MAX)), memory)
    running.add(Quantity(title, "memory each", "kB"), (memory - memory_before) * 1000 / count)
    running.add(Quantity(title, "p99 of a client alone", "µs"), alone.p99)
    running.add(Quantity(title, "p99 of a client beside them", "µs"), beside.p99)
    running.add(Quantity(title, "p99 as a multiple", "x", target=limit(2)), beside.p99 / alone.p99)
