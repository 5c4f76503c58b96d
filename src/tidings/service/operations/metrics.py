"""Every metric of a service, and where its values come from. The table in docs/operations.md is made of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tidings.monitoring.exposition import Kind, Metric, Sample, head, histogram, line
from tidings.monitoring.process import cpu_seconds, open_fds, resident_memory_bytes
from tidings.service.operations.state import OutboxState, ServiceState
from tidings.service.operations.tally import Seconds, Tally
from tidings.service.transports.base import Place


class Sight(NamedTuple):
    """One service when its metrics are asked for."""

    state: ServiceState
    tally: Tally
    live: bool
    ready: bool
    ends: Mapping[Place, int] = {}
    """Where the streams it reads end; those that are not known, because the broker is away, are missing."""
    rows: Mapping[str, int] = {}
    """How many rows each table has, by its name."""
    outbox: OutboxState | None = None
    """None where there is none, or its database is away."""


Source = Callable[[Sight], Iterator[Sample]]
METRICS: dict[Metric, Source] = {}
PROCESS_METRICS: dict[Metric, Callable[[], float | None]] = {
    Metric("process_resident_memory_bytes", Kind.GAUGE, "Memory that the process has in use."): resident_memory_bytes,
    Metric("process_cpu_seconds_total", Kind.COUNTER, "Processor time spent."): cpu_seconds,
    Metric("process_open_fds", Kind.GAUGE, "Files and sockets open."): open_fds,
}


def page(sights: Sequence[Sight]) -> str:
    """What Prometheus is told of services and their process."""
    pieces = []
    for metric, source in METRICS.items():
        pieces.append(head(metric))
        pieces += [line(metric, sample) for sight in sights for sample in source(sight)]
    for metric, value_of in PROCESS_METRICS.items():
        value = value_of()
        if value is not None:
            pieces += [head(metric), line(metric, Sample((), value))]
    return "".join(pieces)


def metric(name: str, kind: Kind, help: str, *labels: str) -> Callable[[Source], Source]:
    """Register the decorated function as the one that knows the values of a metric, for each service."""

    def register(source: Source) -> Source:
        METRICS[Metric(name, kind, help, ("service", *labels))] = source
        return source

    return register


_PARTITION = ("stream", "partition")


# Health.


@metric("tidings_service_live", Kind.GAUGE, "1 as long as the service lives: see /live.")
def _live(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), int(sight.live))


@metric("tidings_service_ready", Kind.GAUGE, "1 as long as the service is ready: see /ready.")
def _ready(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), int(sight.ready))


# Handling.


@metric(
    "tidings_service_events_total",
    Kind.COUNTER,
    "Attempts of handlers at events, by how they ended: handled, retried, failed (a dead letter) or cancelled.",
    "handler",
    "outcome",
)
def _events(sight: Sight) -> Iterator[Sample]:
    for handler, tally in list(sight.tally.handlers.items()):
        for ending, count in list(tally.endings.items()):
            yield Sample((sight.state.service, handler, str(ending)), count)


@metric(
    "tidings_service_handling_seconds", Kind.HISTOGRAM, "From a handler being called to its attempt's end.", "handler"
)
def _handling(sight: Sight) -> Iterator[Sample]:
    for handler, tally in list(sight.tally.handlers.items()):
        yield from _histogram((sight.state.service, handler), tally.seconds)


@metric(
    "tidings_service_dead_letters_total",
    Kind.COUNTER,
    "Dead letters written, by reason; `behind` are events that wait for another of their key.",
    "reason",
)
def _dead_letters(sight: Sight) -> Iterator[Sample]:
    for reason, count in list(sight.tally.dead_letters.items()):
        yield Sample((sight.state.service, reason), count)


@metric(
    "tidings_service_in_hand", Kind.GAUGE, "Events taken in and not finished: in work, waiting, or not yet committed."
)
def _in_hand(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), sight.state.in_hand)


@metric("tidings_service_parked", Kind.GAUGE, "Of those, the ones whose key waits for another attempt.")
def _parked(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), sight.state.parked)


@metric("tidings_service_workers_busy", Kind.GAUGE, "Workers that have an event in their hands.")
def _at_work(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), sight.state.at_work)


# Committing.


@metric("tidings_service_commit_seconds", Kind.HISTOGRAM, "How long it took to make what was finished durable.")
def _commits(sight: Sight) -> Iterator[Sample]:
    yield from _histogram((sight.state.service,), sight.tally.commits)


@metric(
    "tidings_service_records_committed_total",
    Kind.COUNTER,
    "Records written so: outputs, dead letters, changes of tables, receipts.",
)
def _records(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), sight.tally.records_committed)


# Streams.


@metric("tidings_service_partitions", Kind.GAUGE, "Partitions that its group has dealt it.")
def _partitions(sight: Sight) -> Iterator[Sample]:
    yield Sample((sight.state.service,), sum(len(consumer.done) for consumer in sight.state.consumers))


@metric(
    "tidings_service_lag", Kind.GAUGE, "Records of its partitions that it has not done with, as they come.", *_PARTITION
)
def _lag(sight: Sight) -> Iterator[Sample]:
    for consumer in sight.state.consumers:
        for (stream, partition), done in consumer.done.items():
            end = sight.ends.get((stream, partition))
            if end is not None and done >= 0:
                yield Sample((sight.state.service, stream, str(partition)), max(0, end - done))


@metric("tidings_service_table_rows", Kind.GAUGE, "Rows of a table.", "table")
def _rows(sight: Sight) -> Iterator[Sample]:
    for table, rows in sight.rows.items():
        yield Sample((sight.state.service, table), rows)


@metric("tidings_service_table_lag", Kind.GAUGE, "Records that a table has not taken in.", "table", "partition")
def _table_lag(sight: Sight) -> Iterator[Sample]:
    for table in sight.state.tables:
        for partition, next_offset in table.next.items():
            end = sight.ends.get((table.stream, partition))
            if end is not None:
                yield Sample((sight.state.service, table.name, str(partition)), max(0, end - next_offset))


# The database.


@metric("tidings_service_outbox_rows", Kind.GAUGE, "Records in its outbox: committed, and not yet published.")
def _outbox_rows(sight: Sight) -> Iterator[Sample]:
    if sight.outbox is not None:
        yield Sample((sight.state.service,), sight.outbox.rows)


@metric("tidings_service_outbox_oldest_seconds", Kind.GAUGE, "How long the oldest of them has waited.")
def _outbox_oldest(sight: Sight) -> Iterator[Sample]:
    if sight.outbox is not None:
        yield Sample((sight.state.service,), sight.outbox.oldest_s)


def _histogram(of: tuple[str, ...], seconds: Seconds) -> Iterator[Sample]:
    return histogram(of, seconds.ends, list(seconds.buckets), seconds.total)
