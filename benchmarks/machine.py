"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from tempfile import TemporaryFile

_BLOCK_BYTES = 1 << 16


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python, and how busy it was."""
    cores = os.cpu_count()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, load {load:.1f} before the run"
    )


def resident_mb(pid: int) -> float:
    """What process `pid` holds in memory, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return kib * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """What process `pid` has used of processors since its start, user and system together; in steps of 10 ms."""
    return sum(cpu_times(pid))


def cpu_times(pid: int) -> tuple[float, float]:
    """The same in its two parts: in the program itself, and in the kernel on its behalf."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks_s = os.sysconf("SC_CLK_TCK")
    return int(after_name[11]) / ticks_s, int(after_name[12]) / ticks_s


def have_at_hand(size_bytes: int, folder: Path) -> None:
    """Fill that much of the page cache with a file in `folder`, and give it back: who writes next has memory at once.

    Memory that nobody has used for a while belongs to the host of a virtual machine. To get it back can take two
    seconds a GB, and looks like work of whoever happens to need it. The file is gone before it gets to the disk.
    """
    with TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(0, size_bytes, _BLOCK_BYTES):
            file.write(bytes(_BLOCK_BYTES))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
