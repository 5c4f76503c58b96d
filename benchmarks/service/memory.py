"""What a service holds in memory while it handles event after event: the same after millions as after the first."""

from __future__ import annotations

from benchmarks.quantities import Quantity, limit
from benchmarks.results import TIDINGS
from benchmarks.service import turn
from benchmarks.service.cases import CASES
from benchmarks.service.competitors import COMPETITORS
from benchmarks.service.peers.task import Task
from benchmarks.service.scene import Scene
from tidings.errors import UnavailableError

MARKS = 20
"""How often it is looked at."""
SETTLED_AT = 2
"""The mark from which on nothing is to grow: by then caches are full, and each of a stream's partitions was read."""
GROWTH_MAX = 1.1


def measure(scene: Scene) -> None:
    """A typed handler, with a table of the orders that were handled (a byte each) as all it keeps."""
    events = scene.sizes.memory_events
    topic = scene.streams.create(scene.name("many-orders"))
    scene.streams.fill(topic, events, compression="lz4")
    scene.tell(f"handling {events:,} orders")
    group = scene.name("memory")
    every = events // MARKS
    task = Task("typed", scene.bootstrap, group, topic, "", events, scene.sizes.memory_limit_s, marks=every)
    try:
        outcome = turn.run(COMPETITORS[TIDINGS], CASES[0], task, scene.streams, scene.room / "state")
    finally:
        scene.streams.delete(topic)
    if not outcome.whole:
        raise UnavailableError(f"not all of {events:,} events were handled in {task.limit_s:g} s")
    title = f"Resident memory of a service over {events:,} events"
    first, last = outcome.marks[every * SETTLED_AT], outcome.marks[events]
    scene.add(Quantity(title, f"after {every * SETTLED_AT:,}", "MB"), TIDINGS, first)
    scene.add(Quantity(title, f"after {events:,}", "MB"), TIDINGS, last)
    scene.add(Quantity(title, "growth in between", "x", target=limit(GROWTH_MAX)), TIDINGS, last / first)
