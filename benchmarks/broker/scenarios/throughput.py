"""How much a second goes in and out, one producer, then one consumer, one partition; and what the broker works for it.

Two clients: librdkafka, as most programs outside Java use it, and prepared batches (load.c), which take nearly nothing
of the machine, and show what the broker can do where librdkafka is the limit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.broker import frames, load, rdkafka_performance
from benchmarks.broker.quantities import THROUGHPUT, THROUGHPUT_FSYNC, Quantity
from benchmarks.broker.running import Running
from benchmarks.machine import cpu_seconds, have_at_hand

RECORD_BYTES = (100, 1024, 10_240)
BATCH_BYTES = 64 << 10
"""Of a prepared batch. librdkafka makes batches of up to 1 MB when it has that much to send."""

BATCHES = 16
"""Different ones, sent in turn."""

IN_FLIGHT = 5

SPARE = 1.5
"""Memory to have at hand for the page cache and the client, as a multiple of the records' bytes."""

Client = Literal["librdkafka", "prepared batches"]


@dataclass(frozen=True)
class Case:
    """One kind of record, written and read by one client."""

    client: Client
    size_bytes: int
    lz4: bool

    def __str__(self) -> str:
        size = {100: "100 B", 1024: "1 KiB", 10_240: "10 KiB"}[self.size_bytes]
        return f"{size}, {'lz4' if self.lz4 else 'none'}"

    @property
    def topic(self) -> str:
        return f"{self.client.split()[0]}-{self.size_bytes}-{'lz4' if self.lz4 else 'none'}"

    @property
    def batch_records(self) -> int:
        """In a prepared batch."""
        return max(1, BATCH_BYTES // self.size_bytes)

    def count(self, running: Running) -> int:
        """Records to write; whole prepared batches of them."""
        sizes = running.sizes
        volume_mb = sizes.throughput_small_mb if self.size_bytes == 100 else sizes.throughput_mb
        if running.durability == "fsync":
            volume_mb *= sizes.throughput_fsync_share
        batches = max(1, round(volume_mb * 1e6 / self.size_bytes / self.batch_records))
        return batches * self.batch_records


def measure(running: Running) -> None:
    """Reading is from the page cache, and has nothing to do with acknowledgements: with fsync it is left out."""
    clients: tuple[Client, ...] = ("librdkafka", "prepared batches")
    for client in clients:
        for size_bytes in RECORD_BYTES:
            for lz4 in (False, True):
                _measure(running, Case(client, size_bytes, lz4))


def _measure(running: Running, case: Case) -> None:
    running.topic(case.topic)
    count = case.count(running)
    write, read = (
        _by_librdkafka(running, case, count) if case.client == "librdkafka" else _prepared(running, case, count)
    )
    running.tell(f"produce {case}, {case.client}")
    _add(running, "produce", case, count, write)
    if running.durability != "fsync":
        running.tell(f"consume {case}, {case.client}")
        _add(running, "consume", case, count, read)
    os.sync()  # what one case left to write is no burden to the next


def _add(running: Running, way: str, case: Case, count: int, transfer: Callable[[], float]) -> None:
    volume_mb = count * case.size_bytes / 1e6
    have_at_hand(int(volume_mb * SPARE * 1e6), running.room)
    used_s = cpu_seconds(running.server.pid)
    seconds = transfer()
    used_s = cpu_seconds(running.server.pid) - used_s
    target = THROUGHPUT_FSYNC if running.durability == "fsync" else THROUGHPUT
    speed = Quantity(f"Throughput, {case.client}, {running.label}", f"{way} {case}", "MB/s", True, target)
    work = Quantity(f"Processor time of the broker, {case.client}, {running.label}", f"{way} {case}", "s/GB")
    running.add(speed, volume_mb / seconds)
    running.add(work, used_s / volume_mb * 1000)


def _by_librdkafka(running: Running, case: Case, count: int) -> tuple[Callable[[], float], Callable[[], float]]:
    payload = frames.payloads(case.size_bytes)[0]

    def write() -> float:
        return rdkafka_performance.produce(
            running.port, case.topic, size_bytes=case.size_bytes, count=count, lz4=case.lz4, payload=payload
        ).seconds

    def read() -> float:
        return rdkafka_performance.consume(running.port, case.topic, count=count).seconds

    return write, read


def _prepared(running: Running, case: Case, count: int) -> tuple[Callable[[], float], Callable[[], float]]:
    batches = [
        frames.batch(case.size_bytes, case.batch_records, lz4=case.lz4, first=at * case.batch_records)
        for at in range(BATCHES)
    ]
    path = running.room / case.topic
    produce = frames.write(path.with_suffix(".produce"), (frames.produce(case.topic, 0, each) for each in batches))
    fetch = frames.write(path.with_suffix(".fetch"), [frames.fetch(case.topic, 0)])

    def write() -> float:
        requests = count // case.batch_records
        return load.produce(running.port, produce, in_flight=IN_FLIGHT, requests=requests).seconds

    def read() -> float:
        offset_at = frames.fetch_offset_at(case.topic)
        return load.consume(running.port, fetch, offset_at=offset_at, until=count).seconds

    return write, read
