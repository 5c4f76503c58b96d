"""What is left to do in a world, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tidings.errors import TidingsError
from tidings.service.dead_letters import dead_letters_of
from tidings.service.parking.ledger import ledger_of
from tidings.service.parking.outstanding import outstanding_in
from tidings.service.transports.base import Mark, Place, Received
from tidings.service.transports.marks import Done, done_beyond
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


def undecided(broker: MemoryBroker) -> Iterator[str]:
    """A line for each transaction that is open: what lies behind it cannot be read yet."""
    for transaction in broker.transactions.open:
        yield f"transaction {transaction.transactional_id} is open, with {len(transaction.records)} records"


def backlog(service: Service, broker: MemoryBroker) -> Iterator[str]:
    """A line for each thing that a service has not done yet; none when it has done all."""
    if not service.ready:
        yield f"{service.name} is not up"
    described = service.describe()
    for stream in sorted({one["stream"] for one in described.reads}):
        for place in _places(broker, stream):
            if left := unhandled(broker, service.name, place):
                record = event_record(left[0])
                what = f"{record.type} {record.id}" if record else "a record of no known type"
                yield (
                    f"{service.name} has not finished {stream}/{place[1]}/{left[0].offset} ({what})"
                    + (f" and {len(left) - 1} behind it" if len(left) > 1 else "")
                )
    yield from _to_be_tried_again(service.name, broker)
    for table in service.tables:
        name = table.declared.stream
        for place in _places(broker, name):
            if _readable(broker, place, table.positions.get(place[1], 0)):
                yield f"{service.name}'s table of {table.declared.name} is behind in {name}/{place[1]}"


def _to_be_tried_again(service: str, broker: MemoryBroker) -> Iterator[str]:
    ledger = broker.records(ledger_of(service))
    if not ledger:
        return  # nobody has decided anything yet
    outstanding = outstanding_in(ledger, broker.records(dead_letters_of(service)))
    for chain in outstanding.runnable:
        letters = outstanding.chain(chain)
        yield f"{service} has not tried {letters[0].id.position} again, and {len(letters) - 1} behind it"


def unhandled(broker: MemoryBroker, group: str, place: Place) -> list[Received]:
    """The records of a partition that a group has not noted as done. Markers are no records, and what is noted as done
    beyond the mark is done."""
    mark = broker.group(group).marks.get(place, Mark(0))
    done = Done(done_beyond(mark))
    return [record for record in _readable(broker, place, mark.offset) if record.offset not in done]


def _places(broker: MemoryBroker, stream: str) -> Iterator[Place]:
    found = broker.streams.get(stream)
    yield from ((stream, number) for number in range(len(found.partitions) if found is not None else 0))


def _readable(broker: MemoryBroker, place: Place, offset: int) -> list[Received]:
    partition = broker.partition(place)
    return [] if partition is None else partition.readable(offset)[0]
