"""`tidings trace`: what an event led to, and what led to it, rebuilt from the log alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.cluster import Cluster, Offsets
    from tidings.cli.trace_notes import Known
    from tidings.events.position import Position
    from tidings.service.trace import Evidence, Workflow

EXAMPLES = """
tidings trace order-42                 by the key of any of its events
tidings trace 0198c5b2-7d1e-7c3a-9f00-5b1c2d3e4f50
tidings trace p-07 --limit 3           the newest three that touched a product
tidings trace order-42 --since 30d     look further back than a day
tidings trace order-42 --service shop.shipping --service shop.pricing
                                       say also what these should have done, and have not
tidings trace order-42 --json | jq .workflows[0].duration_ms
"""


def trace(
    query: Annotated[str, typer.Argument(metavar="ID", help="An event's id, its key, or a correlation id.")],
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="How far to look back: 1h, 7d, beginning, 2026-01-31T09:30.")
    ] = "1d",
    limit: Annotated[int, typer.Option(min=1, help="At most so many workflows, the newest.")] = 5,
    services: Annotated[
        list[str] | None,
        typer.Option(
            "--service", metavar="MODULE[:NAME]", help="Services whose handlers are missed where they left no trace."
        ),
    ] = None,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show a workflow as a tree: which event caused which.

    Nobody keeps a record of workflows. Every event names its cause, and this reads all streams to put them together.
    Services that write receipts (`Service(…, receipts=True)`) let it tell how long events waited and handlers took.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.moments import parse_start
    from tidings.cli.reader import Reader
    from tidings.cli.run import find as find_services
    from tidings.service.operations.missing import missing
    from tidings.service.trace import evidence, find

    descriptions = [service.describe() for target in services or () for service in find_services(target)]
    cluster = Cluster(url)
    partitions = [at for stream in cluster.streams().values() for at in stream]
    starts = cluster.starts(partitions, parse_start(since, time.time_ns() // 1_000_000))
    ends = cluster.ends(partitions)

    def scan() -> Iterator[Evidence]:
        with Reader(cluster) as reader:
            for record in reader.read_whole(starts, ends):
                yield evidence(record)

    found = find(query, scan)
    if not found:
        raise OperatorError(
            f"no event has {query!r} as its id, key or correlation id (looked since: {since})",
            "Look further back with --since 30d or --since beginning.",
        )
    from tidings.cli.trace_notes import Known

    newest = found[-limit:]
    missed = {at: those for workflow in newest for at, those in missing(workflow, descriptions).items()}
    _show(query, found, limit, Known(waiting_groups(cluster, newest), missed), json)


def _show(query: str, found: list[Workflow], limit: int, known: Known, json: bool) -> None:
    from tidings.cli.screen import console, print_json
    from tidings.cli.trace_view import as_json, tree

    newest = found[-limit:]
    if json:
        documents = [as_json(workflow, known=known) for workflow in newest]
        print_json({"query": query, "found": len(found), "workflows": documents})
        return
    screen = console()
    for index, workflow in enumerate(newest):
        screen.print(*([""] if index else []), tree(workflow, known=known, columns=screen.width), sep="\n")
    if len(found) > limit:
        screen.print(f"\n… and {len(found) - limit:,} older workflows; --limit shows more", style="quiet")


def waiting_groups(cluster: Cluster, found: list[Workflow]) -> dict[Position, list[str]]:
    """For each record of the workflows, the groups that read its stream and have not come to it.

    A service commits its position a moment after its work: what an event has led to, a receipt or a dead letter show
    better that it was read.
    """
    from tidings.cli.trace_view import service

    positions: dict[str, Offsets] = {name: cluster.committed(name) for name in cluster.group_names()}
    waiting: dict[Position, list[str]] = {}
    for workflow in found:
        for _, step in workflow.steps():
            place = step.event.position
            answered = {service(effect.event) for effect in step.effects}
            answered |= {receipt.service for receipt in step.receipts}
            answered |= {letter.burial.service for letter in step.dead if letter.burial is not None}
            late = [
                group
                for group, committed in positions.items()
                if committed.get((place.stream, place.partition), place.offset + 1) <= place.offset
                and group not in answered
            ]
            if late:
                waiting[place] = late
    return waiting
