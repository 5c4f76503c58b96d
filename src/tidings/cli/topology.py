"""`tidings topology`: which service emits, reads and keeps what, as declared and as seen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidings.service.topology import Link, Topology

EXAMPLES = """
tidings topology                                what the log of the last day shows
tidings topology shop.orders shop.shipping      beside it, what these declare; and where the two differ
tidings topology shop.orders --declared         the declarations alone: needs no broker
tidings topology shop.orders --check            exit code 1 if it does what it has not declared
tidings topology --mermaid > topology.mmd       a flowchart for your docs
tidings topology --json | jq .drift
"""

DRIFT = 1


def topology(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="[MODULE[:NAME]]...", help="Services, whose declarations to compare.")
    ] = None,
    declared: Annotated[
        bool, typer.Option("--declared", help="Only what the services declare; ask no broker.")
    ] = False,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="How far to look back: 1h, 7d, beginning, 2026-01-31T09:30.")
    ] = "1d",
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if something was seen and not declared.")] = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show which service emits, reads and keeps what.

    Services declare it by their types; the log shows what they do: every event names who emitted it, and which event
    it answers. What a service was seen to do and does not declare is marked.
    """
    from tidings.cli.run import find
    from tidings.cli.screen import console, print_json
    from tidings.cli.topology_view import as_json, lines
    from tidings.cli.topology_view import mermaid as flowchart
    from tidings.errors import OperatorError
    from tidings.service.topology import Topology, declared_links

    if declared and not services:
        raise OperatorError("--declared, but of which services?", "Name their modules: tidings topology shop.orders.")
    found = Topology()
    found.declared |= set(declared_links(service.describe() for target in services or () for service in find(target)))
    if not declared:
        _observe(found, since, url)
    if json:
        print_json(as_json(found))
    elif mermaid:
        print(flowchart(found))
    else:
        console().print(lines(found) if found.links() else f"nothing was emitted or read since {since}")
    if check and found.undeclared():
        raise typer.Exit(DRIFT)


def _observe(found: Topology, since: str, url: str) -> None:
    from tidings.cli.cluster import Cluster
    from tidings.cli.moments import parse_start
    from tidings.cli.reader import Reader
    from tidings.service.topology import Observer, group_links

    cluster = Cluster(url)
    partitions = [at for stream in cluster.streams().values() for at in stream]
    starts = cluster.starts(partitions, parse_start(since, time.time_ns() // 1_000_000))
    observer = Observer()
    with Reader(cluster) as reader:
        for seen in reader.read(starts, cluster.ends(partitions)):
            observer.show(seen.event)
    found.seen += observer.links()

    def committed() -> Iterator[Link]:
        return group_links({group: cluster.committed(group) for group in cluster.group_names()})

    for link in committed():
        found.seen.setdefault(link, 0)
