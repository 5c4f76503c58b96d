"""What a broker gets to do before it is measured, so that a JVM has compiled what it will need. Ours gets the same."""

from __future__ import annotations

from benchmarks.broker import frames, load
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios import end_to_end

RECORD_BYTES = 1024
BATCH_RECORDS = 64
BATCHES_MAX = 10_000
"""The disk is to have little to write when measuring begins."""


def measure(running: Running) -> None:
    """Batches, single records on fifty connections, a reader, records end to end: `warm_up_s` in all, more or less."""
    budget_s = running.sizes.warm_up_s
    topic = running.topic("warm-up")
    batches = [
        frames.produce(topic, 0, frames.batch(RECORD_BYTES, BATCH_RECORDS, lz4=lz4, first=first))
        for lz4 in (False, True)
        for first in range(4)
    ]
    whole = frames.write(running.room / "warm-up-batches", batches)
    running.tell("warming up")
    written = load.produce(running.port, whole, in_flight=5, requests=BATCHES_MAX, seconds=0.3 * budget_s)
    single = frames.write(running.room / "warm-up-single", [frames.produce(topic, 0, frames.batch(RECORD_BYTES, 1))])
    load.produce(running.port, single, connections=50, seconds=0.4 * budget_s)
    fetch = frames.write(running.room / "warm-up-fetch", [frames.fetch(topic, 0)])
    end = written.requests * BATCH_RECORDS
    load.consume(running.port, fetch, offset_at=frames.fetch_offset_at(topic), until=end)
    end_to_end.run(running, "warm-up-end-to-end", rate=10_000, seconds=0.3 * budget_s)
