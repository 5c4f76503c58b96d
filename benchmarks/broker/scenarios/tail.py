"""What it costs to fetch the tail of a short log and of a long one: the same Fetch of 64 KiB, again and again."""

from __future__ import annotations

from benchmarks.broker import frames, load
from benchmarks.broker.brokers import free_gb
from benchmarks.broker.load import Load
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios.filling import fill
from benchmarks.quantities import Quantity, limit

SHORT_GB = 0.001
FETCH_BYTES = 64 << 10
TAIL_RECORDS = 128
DISK_SHARE = 0.8
"""Of what is free on the disk: more is not filled."""


def measure(running: Running) -> None:
    wanted_gb = running.sizes.tail_gb
    long_gb = round(min(wanted_gb, free_gb(running.room) * DISK_SHARE), 1)
    if long_gb < wanted_gb:
        running.note(f"the disk has room for {long_gb:g} GB of log, not for {wanted_gb:g}")
    topic = running.topic("tail")
    title = f"Fetch of the tail of a log, {running.label}"
    end = fill(running, topic, SHORT_GB)
    short = _fetch(running, topic, end)
    end += fill(running, topic, long_gb - SHORT_GB)
    long = _fetch(running, topic, end)
    for name, seen in (("1 MB", short), (f"{long_gb:g} GB", long)):
        running.add(Quantity(title, f"{name}, p50", "µs"), seen.p50)
        running.add(Quantity(title, f"{name}, p99", "µs"), seen.p99)
    running.add(Quantity(title, "p50 as a multiple", "x", target=limit(1.5)), long.p50 / short.p50)
    running.add(Quantity(title, "p99 as a multiple", "x", target=limit(2)), long.p99 / short.p99)


def _fetch(running: Running, topic: str, end: int) -> Load:
    running.tell(f"fetching the tail of {end:,} records")
    frame = frames.fetch(topic, end - TAIL_RECORDS, partition_bytes_max=FETCH_BYTES)
    path = frames.write(running.room / "tail.fetch", [frame])
    return load.poll(running.port, path, seconds=running.sizes.requests_s)
