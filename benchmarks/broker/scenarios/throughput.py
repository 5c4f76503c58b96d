"""How much a second goes in and out, one producer, then one consumer, one partition; and what the broker works for it.

Two clients: librdkafka, as most programs outside Java use it, and prepared batches (load.c), which take nearly nothing
of the machine, and show what the broker can do where librdkafka is the limit. Both read what was written in prepared
batches: those that librdkafka makes are the larger the slower a broker is, and larger ones are read faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.broker import frames, load, rdkafka_performance
from benchmarks.broker.quantities import THROUGHPUT, THROUGHPUT_FSYNC
from benchmarks.broker.running import Running
from benchmarks.machine import cpu_seconds, have_at_hand
from benchmarks.quantities import Quantity

RECORD_BYTES = (100, 1024, 10_240)
BATCH_BYTES = 64 << 10
"""Of a prepared batch. librdkafka makes batches of up to 1 MB when it has that much to send."""

BATCHES = 16
"""Different ones, sent in turn."""

IN_FLIGHT = 5

READINGS = 3
"""How often load.c reads the same: once is over too soon to be told from chance."""

SPARE = 1.5
"""Memory to have at hand for the page cache and the client, as a multiple of the records' bytes."""

PREPARED = "prepared batches"
LIBRDKAFKA = "librdkafka"


@dataclass(frozen=True)
class Case:
    """Records of one kind, so many, on a broker; each method does one thing and returns the seconds that it took."""

    running: Running
    size_bytes: int
    lz4: bool

    def __str__(self) -> str:
        size = {100: "100 B", 1024: "1 KiB", 10_240: "10 KiB"}[self.size_bytes]
        return f"{size}, {'lz4' if self.lz4 else 'none'}"

    @property
    def name(self) -> str:
        return f"{self.size_bytes}-{'lz4' if self.lz4 else 'none'}"

    @property
    def batch_records(self) -> int:
        """In a prepared batch."""
        return max(1, BATCH_BYTES // self.size_bytes)

    @property
    def batches(self) -> int:
        sizes = self.running.sizes
        volume_mb = sizes.throughput_small_mb if self.size_bytes == 100 else sizes.throughput_mb
        if self.running.durability == "fsync":
            volume_mb *= sizes.throughput_fsync_share
        return max(1, round(volume_mb * 1e6 / self.size_bytes / self.batch_records))

    @property
    def count(self) -> int:
        """Records that are written; whole prepared batches."""
        return self.batches * self.batch_records

    @property
    def volume_mb(self) -> float:
        return self.count * self.size_bytes / 1e6

    def produce_prepared(self) -> float:
        topic, each = self.running.topic(f"prepared-{self.name}"), self.batch_records
        batches = (frames.batch(self.size_bytes, each, lz4=self.lz4, first=at * each) for at in range(BATCHES))
        path = frames.write(
            self.running.room / f"{topic}.produce", (frames.produce(topic, 0, batch) for batch in batches)
        )
        return load.produce(self.running.port, path, in_flight=IN_FLIGHT, requests=self.batches).seconds

    def consume_prepared(self) -> float:
        topic = self.running.topic(f"prepared-{self.name}")
        path = frames.write(self.running.room / f"{topic}.fetch", [frames.fetch(topic, 0)])
        offset_at = frames.fetch_offset_at(topic)
        return load.consume(self.running.port, path, offset_at=offset_at, until=self.count).seconds

    def consume_by_librdkafka(self) -> float:
        topic = self.running.topic(f"prepared-{self.name}")
        return rdkafka_performance.consume(self.running.port, topic, count=self.count).seconds

    def produce_by_librdkafka(self) -> float:
        payload = frames.payloads(self.size_bytes)[0]
        return rdkafka_performance.produce(
            self.running.port,
            self.running.topic(f"librdkafka-{self.name}"),
            size_bytes=self.size_bytes,
            count=self.count,
            lz4=self.lz4,
            payload=payload,
        ).seconds


def measure(running: Running) -> None:
    """Reading is from the page cache, and has nothing to do with acknowledgements: with fsync it is left out."""
    for size_bytes in RECORD_BYTES:
        for lz4 in (False, True):
            case = Case(running, size_bytes, lz4)
            _measure(case, "produce", PREPARED, case.produce_prepared)
            if running.durability != "fsync":
                _measure(case, "consume", PREPARED, case.consume_prepared, times=READINGS)
                _measure(case, "consume", LIBRDKAFKA, case.consume_by_librdkafka)
            _measure(case, "produce", LIBRDKAFKA, case.produce_by_librdkafka)


def _measure(case: Case, way: str, client: str, transfer: Callable[[], float], *, times: int = 1) -> None:
    running, volume_mb = case.running, case.volume_mb * times
    running.tell(f"{way} {case}, {client}")
    os.sync()  # what the case before left to write is no burden to this one
    have_at_hand(int(case.volume_mb * SPARE * 1e6), running.room)
    used_s = cpu_seconds(running.server.pid)
    seconds = sum(transfer() for _ in range(times))
    used_s = cpu_seconds(running.server.pid) - used_s
    target = THROUGHPUT_FSYNC if running.durability == "fsync" else THROUGHPUT
    speed = Quantity(f"Throughput, {client}, {running.label}", f"{way} {case}", "MB/s", True, target)
    work = Quantity(f"Processor time of the broker, {client}, {running.label}", f"{way} {case}", "s/GB")
    running.add(speed, volume_mb / seconds)
    running.add(work, used_s / volume_mb * 1000)
