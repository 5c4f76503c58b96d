"""What the operating system says of this process. Where it says nothing (another kind of system), there is no value."""

from __future__ import annotations

import os
import resource

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_memory_bytes() -> int | None:
    """Memory in use."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return None


def cpu_seconds() -> float:
    """Processor time spent."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def open_fds() -> int | None:
    """Files and sockets open."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
