"""From an empty folder: how soon the first record is acknowledged, and how much memory the broker takes when idle.

Over a plain socket, so that no client library's back-off is in it; then once more with confluent-kafka. Each broker is
as it comes: Tidings acknowledges after `fdatasync`, Kafka after a write to the page cache.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, sleep

from benchmarks.broker import confluent_client, raw_client
from benchmarks.broker.quantities import RESIDENT, START
from benchmarks.broker.running import Running
from benchmarks.machine import resident_mb
from benchmarks.quantities import Quantity

TITLE = "Start"
MEMORY = "Resident memory"
TIMEOUT_S = 120.0

_WriteFirstRecord = Callable[[tuple[str, int], str, float], None]


def measure(running: Running) -> None:
    running.tell("start to first record")
    seconds = first_record_s(running, raw_client.write_first_record)
    running.add(Quantity(TITLE, "to the first acknowledged record", "ms", target=START), seconds * 1000)
    sleep(running.sizes.idle_s)
    idle = Quantity(MEMORY, f"idle, {running.sizes.idle_s:g} s after the start", "MB", target=RESIDENT)
    running.add(idle, resident_mb(running.server.pid))


def measure_client(running: Running) -> None:
    running.tell("start to first record, confluent-kafka")
    seconds = first_record_s(running, confluent_client.write_first_record)
    running.add(Quantity(TITLE, "the same, through confluent-kafka", "ms", target=START), seconds * 1000)


def first_record_s(running: Running, write: _WriteFirstRecord = raw_client.write_first_record) -> float:
    """Start the broker; the seconds until it has acknowledged a record."""
    begun = perf_counter()
    running.server.launch()
    write(running.address, "first-record", TIMEOUT_S)
    return perf_counter() - begun
