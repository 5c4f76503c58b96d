"""Where a target is missed: what the disk alone would take, and what a request costs the broker.

python -m benchmarks.broker.limits             half a minute; nothing else should run
python -m benchmarks.broker.limits --room DIR  on the disk that DIR is on; default: where the benchmark writes
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import NamedTemporaryFile, TemporaryDirectory
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.broker import frames, load, raw_client, runner
from benchmarks.broker.brokers import Durability, prepared
from benchmarks.machine import cpu_times
from benchmarks.results import TIDINGS

WRITES_BYTES = {"one record of 1 KiB": 1_100, "five batches of 64 KiB": 5 * 65_536, "1 MB": 1_000_000}
DISK_S = 3.0
REQUESTS_S = 5.0
WARM_UP_S = 2.0
CASES: tuple[tuple[Durability, int], ...] = (("os", 1), ("os", 50), ("fsync", 1), ("fsync", 50))
MICRO = 1e6


def synced_writes_s(size_bytes: int, room: Path, seconds: float = DISK_S) -> list[float]:
    """How long `write` and `fdatasync` take together, again and again at the end of one file: no broker, no client."""
    data, times = os.urandom(size_bytes), []
    with NamedTemporaryFile(dir=room, buffering=0) as file:
        until = perf_counter() + seconds
        while (begun := perf_counter()) < until:
            file.write(data)
            os.fdatasync(file.fileno())
            times.append(perf_counter() - begun)
    return times


def disk(room: Path) -> Table:
    table = Table("written and synced", "times a second", "p50", "p99", "longest", "MB/s", title="The disk alone")
    for name, size_bytes in WRITES_BYTES.items():
        times = synced_writes_s(size_bytes, room)
        often = len(times) / sum(times)
        p99 = quantiles(times, n=100)[98]
        shown = [f"{MICRO * one:,.0f} µs" for one in (median(times), p99, max(times))]
        table.add_row(name, f"{often:,.0f}", *shown, f"{often * size_bytes / MICRO:,.0f}")
    return table


def requests(room: Path) -> Table:
    """Single records of 1 KiB, as the benchmark sends them, with the broker's processor time beside them."""
    columns = (
        "acknowledged from",
        "connections",
        "requests/s",
        "p50",
        "p99",
        "in Python",
        "in the kernel",
        "core busy",
    )
    table = Table(*columns, title="A request with one record")
    for durability, connections in CASES:
        with prepared(TIDINGS, durability, room) as server:
            server.start()
            raw_client.create_topics(("127.0.0.1", server.port), {"requests": 1})
            path = frames.write(room / "requests", [frames.produce("requests", 0, frames.batch(1024, 1))])
            load.produce(server.port, path, connections=connections, seconds=WARM_UP_S)
            before = cpu_times(server.pid)
            seen = load.produce(server.port, path, connections=connections, seconds=REQUESTS_S)
            user_s, system_s = (after - one for after, one in zip(cpu_times(server.pid), before, strict=True))
        table.add_row(
            "page cache" if durability == "os" else "disk",
            str(connections),
            f"{seen.requests / seen.seconds:,.0f}",
            f"{seen.p50:,.0f} µs",
            f"{seen.p99:,.0f} µs",
            f"{MICRO * user_s / seen.requests:.1f} µs",
            f"{MICRO * system_s / seen.requests:.1f} µs",
            f"{(user_s + system_s) / seen.seconds:.0%}",
        )
    return table


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=Path, default=runner.DATA, help="a folder on the disk that is meant")
    chosen = parser.parse_args(arguments)
    chosen.room.mkdir(parents=True, exist_ok=True)
    console = Console()
    with TemporaryDirectory(prefix="limits-", dir=chosen.room) as room:
        console.print(disk(Path(room)))
        console.print(requests(Path(room)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
