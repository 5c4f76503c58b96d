"""`tidings tail`: the events of a stream, as they are and as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url

if TYPE_CHECKING:
    from tidings.cli.cluster import Cluster, Offsets, Partition
    from tidings.cli.reader import Seen

EXAMPLES = """
tidings tail orders                      the last ten, and what comes
tidings tail orders --from 5m            since five minutes ago
tidings tail orders --from beginning -n 3 --no-follow
tidings tail orders --key order-42       all that happened to one
tidings tail orders --json | jq .data
"""

LAST_EVENTS = 10


def tail(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Its name; `tidings streams` lists them.")],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="WHERE", help="beginning, end, an offset, 5m ago, or 2026-01-31T09:30."),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("-n", min=0, help="The last N before now (10); with --from, only the first N from there."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait for what comes.")] = True,
    key: Annotated[str | None, typer.Option(help="Only events with this key.")] = None,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the events of a stream, and wait for more.

    Looking moves nobody's position. Ctrl-C ends it.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.moments import BEGINNING, parse_start

    cluster = Cluster(url)
    partitions = cluster.partitions(stream)
    show = _printer(json)

    def wanted(seen: Seen) -> bool:
        return key is None or seen.event.key == key

    ends = cluster.ends(partitions)
    if start is not None:
        starts = cluster.starts(partitions, parse_start(start, _now_ms()))
        events = filter(wanted, _events(cluster, starts, None if follow else ends))
        for seen in islice(events, number):
            show(seen)
        return
    number = LAST_EVENTS if number is None else number
    # Without --key, the last N of all lie within the last N of each partition.
    begins = cluster.starts(partitions, BEGINNING)
    starts = begins if key else {at: max(begins[at], ends[at] - number) for at in partitions}
    for seen in _last(number, filter(wanted, _events(cluster, starts, ends))):
        show(seen)
    if follow:
        for seen in filter(wanted, _events(cluster, ends, None)):
            show(seen)


def _events(cluster: Cluster, starts: Offsets, ends: Offsets | None) -> Iterator[Seen]:
    """From `starts` to `ends`, or for ever."""
    from tidings.cli.reader import Reader

    with Reader(cluster) as reader:
        if ends is not None:
            yield from reader.read(starts, ends)
        else:
            yield from (seen for seen in reader.follow(starts) if seen is not None)


def _last(number: int, events: Iterator[Seen]) -> list[Seen]:
    """The last `number`, in the order of their times; within a partition, of their offsets."""
    lasts: dict[Partition, deque[Seen]] = {}
    for seen in events:
        position = seen.event.position
        lasts.setdefault((position.stream, position.partition), deque(maxlen=number)).append(seen)
    together = sorted((seen for last in lasts.values() for seen in last), key=lambda seen: seen.event.time_ms)
    return together[-number:] if number else []


def _printer(json: bool) -> Callable[[Seen], None]:
    from tidings.cli.record_view import as_json, lines
    from tidings.cli.screen import console, print_json

    if json:
        return lambda seen: print_json(as_json(seen))
    screen = console()
    return lambda seen: screen.print(lines(seen))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
