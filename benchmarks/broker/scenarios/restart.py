"""From `kill -9` with some GB of log to the next acknowledged record."""

from __future__ import annotations

from benchmarks.broker.quantities import START
from benchmarks.broker.running import Running
from benchmarks.broker.scenarios.filling import fill
from benchmarks.broker.scenarios.start import TITLE, first_record_s
from benchmarks.quantities import Quantity

TOPIC = "restart"


def measure(running: Running) -> None:
    """Nothing is synced before the kill but what the broker itself syncs: it has a crash to recover from."""
    size_gb = running.sizes.log_gb
    first_record_s(running)
    fill(running, running.topic(TOPIC), size_gb)
    running.server.kill()
    running.tell("start after kill -9")
    name = f"after kill -9 with {size_gb:g} GB of log"
    running.add(Quantity(TITLE, name, "ms", target=START), first_record_s(running) * 1000)
