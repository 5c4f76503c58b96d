"""What is left to do in a world, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tidings.errors import TidingsError
from tidings.service.transports.memory import MemoryBroker
from tidings.testing.world_run import event_record

if TYPE_CHECKING:
    from tidings.service.service import Service

LINES_MAX = 20


class StuckError(TidingsError):
    """A world did not settle in time. `left` says what there is left to do."""

    def __init__(self, within_s: float, left: Sequence[str]) -> None:
        more = [f"… and {len(left) - LINES_MAX} more"] if len(left) > LINES_MAX else []
        lines = [*left[:LINES_MAX], *more] or ["nothing is left, but something goes on without end"]
        super().__init__("\n  ".join([f"the world did not settle within {within_s:g} s of its time:", *lines]))
        self.left = list(left)


def backlog(service: Service, broker: MemoryBroker) -> Iterator[str]:
    """A line for each thing that a service has not done yet; none when it has done all."""
    if not service.ready:
        yield f"{service.name} is not up"
    group = broker.groups.get(service.name)
    described = service.describe()
    for stream in sorted({one["stream"] for one in described.reads}):
        for partition, records in enumerate(broker.streams[stream].partitions if stream in broker.streams else ()):
            committed = group.offsets.get((stream, partition), 0) if group else 0
            if committed < len(records):
                behind = len(records) - committed
                record = event_record(records[committed])
                what = f"{record.type} {record.id}" if record else "a record of no known type"
                yield (
                    f"{service.name} has not finished {stream}/{partition}/{committed} ({what})"
                    + (f" and {behind - 1} behind it" if behind > 1 else "")
                )
    for table in service.tables:
        name = table.declared.stream
        for partition, records in enumerate(broker.streams[name].partitions if name in broker.streams else ()):
            if table.positions.get(partition, 0) < len(records):
                yield f"{service.name}'s table of {table.declared.name} is behind in {name}/{partition}"
