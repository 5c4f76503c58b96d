"""`tidings streams`: which streams there are, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidings.cli.cluster import Cluster, Partition

EXAMPLES = """
tidings streams                every stream
tidings streams orders         one, partition by partition
tidings streams --internal     also the broker's own
tidings streams --json | jq '.[].stream'
"""


def streams(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One stream, in detail.")] = None,
    internal: Annotated[bool, typer.Option("--internal", help="Also the broker's own streams.")] = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List the streams: how many records they hold, how large they are, since when and until when.

    The size is what they take on disk.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.screen import console, print_json

    cluster = Cluster(url)
    if name is not None:
        document = described({name: cluster.partitions(name)}, cluster)[0]
        print_json(document) if json else console().print(detail(document))
        return
    documents = described(cluster.streams(internal=internal), cluster)
    if json:
        print_json(documents)
    else:
        console().print(overview(documents) if documents else "no streams yet: the first event makes one")


def described(found: dict[str, list[Partition]], cluster: Cluster) -> list[dict[str, Any]]:
    """What is known of each stream. Offsets of deleted records count as gone, so `records` is what can be read."""
    from tidings.cli.moments import iso_time
    from tidings.cli.sizes import sizes

    everything = [at for partitions in found.values() for at in partitions]
    begins, ends = cluster.begins(everything), cluster.ends(everything)
    firsts, lasts = cluster.first_times(everything), cluster.last_times(everything)
    on_disk = sizes(cluster.servers, everything)

    def times(ats: list[Partition]) -> dict[str, str | None]:
        first = [firsts[at] for at in ats if at in firsts]
        last = [lasts[at] for at in ats if at in lasts]
        return {"first": iso_time(min(first)) if first else None, "last": iso_time(max(last)) if last else None}

    def summed(ats: list[Partition]) -> int | None:
        known = [on_disk[at] for at in ats if at in on_disk]
        return sum(known) if len(known) == len(ats) else None

    return [
        {
            "stream": name,
            "records": sum(ends[at] - begins[at] for at in ats),
            "size_bytes": summed(ats),
            **times(ats),
            "partitions": [
                {
                    "partition": at[1],
                    "begin": begins[at],
                    "end": ends[at],
                    "size_bytes": on_disk.get(at),
                    **times([at]),
                }
                for at in ats
            ],
        }
        for name, ats in found.items()
    ]


def overview(streams: list[dict[str, Any]]) -> RenderableType:
    from tidings.cli.screen import amount, table

    lines = table("stream", "partitions", "records", "size", "first", "last", numbers=("partitions", "records", "size"))
    for stream in streams:
        counts = [amount(len(stream["partitions"])), amount(stream["records"]), _size(stream["size_bytes"])]
        lines.add_row(f"[event]{stream['stream']}[/]", *counts, _moment(stream["first"]), _moment(stream["last"]))
    return lines


def detail(stream: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from tidings.cli.screen import amount, table

    title = Text.assemble(
        (stream["stream"], "event"), f"  {amount(stream['records'])} records, {_size(stream['size_bytes'])}"
    )
    lines = table("partition", "begin", "end", "size", "first", "last", numbers=("begin", "end", "size"))
    for at in stream["partitions"]:
        offsets = [amount(at["begin"]), amount(at["end"]), _size(at["size_bytes"])]
        lines.add_row(str(at["partition"]), *offsets, _moment(at["first"]), _moment(at["last"]))
    return Group(title, Text(), lines)


def _size(size_bytes: int | None) -> str:
    from tidings.cli.screen import size

    return "?" if size_bytes is None else size(size_bytes)


def _moment(iso: str | None) -> str:
    from datetime import datetime

    from tidings.cli.moments import date_time

    return date_time(datetime.fromisoformat(iso).timestamp() * 1000) if iso else ""
