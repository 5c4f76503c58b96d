"""A log of some size, in batches of 64 KiB: more than a client makes with little to send, less than with much."""

from __future__ import annotations

from benchmarks.broker import frames, load
from benchmarks.broker.running import Running

RECORD_BYTES = 1024
BATCH_RECORDS = 64
BATCHES = 16


def fill(running: Running, topic: str, size_gb: float) -> int:
    """Write about `size_gb` to partition 0 of `topic`, and return how many records that are."""
    running.tell(f"writing {size_gb:g} GB")
    batches = (frames.batch(RECORD_BYTES, BATCH_RECORDS, first=at * BATCH_RECORDS) for at in range(BATCHES))
    path = frames.write(running.room / f"{topic}.fill", (frames.produce(topic, 0, each) for each in batches))
    requests = max(1, round(size_gb * 1e9 / (RECORD_BYTES * BATCH_RECORDS)))
    load.produce(running.port, path, in_flight=5, requests=requests)
    return requests * BATCH_RECORDS
