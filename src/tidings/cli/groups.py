"""`tidings groups`: who reads, and how far behind they are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidings.cli.cluster import Cluster, GroupState

EXAMPLES = """
tidings groups                 every group and its lag
tidings groups shipping        one, partition by partition
tidings groups --json | jq '.[] | select(.behind > 1000)'
"""


def groups(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One group, in detail.")] = None,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the groups of consumers, and how far behind each is.

    A service is the group of its name. `behind` counts the records it has yet to read.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.screen import console, print_json

    cluster = Cluster(url)
    names = cluster.group_names()
    if name is not None and name not in names:
        raise OperatorError(f"there is no group {name!r}", "`tidings groups` lists those there are.")
    described = cluster.groups(names if name is None else [name])
    documents = [as_json(group, cluster) for group in described]
    if json:
        print_json(documents if name is None else documents[0])
    elif name is None:
        console().print(overview(documents) if documents else "no groups yet: nobody has read anything")
    else:
        console().print(detail(documents[0]))


def as_json(group: GroupState, cluster: Cluster) -> dict[str, Any]:
    """The group, with how far it is behind in each partition and in all."""
    ends = cluster.ends(group.committed)
    partitions = [
        {
            "stream": stream,
            "partition": partition,
            "committed": offset,
            "end": ends[stream, partition],
            "behind": max(0, ends[stream, partition] - offset),
        }
        for (stream, partition), offset in sorted(group.committed.items())
    ]
    return {
        "group": group.name,
        "state": group.state,
        "members": group.members,
        "behind": sum(at["behind"] for at in partitions),
        "partitions": partitions,
    }


def overview(groups: list[dict[str, Any]]) -> RenderableType:
    """A line for each group and stream."""
    from tidings.cli.screen import amount, table

    lines = table("group", "state", "members", "stream", "behind", numbers=("members", "behind"))
    for group in groups:
        behind: Counter[str] = Counter()
        for at in group["partitions"]:
            behind[at["stream"]] += at["behind"]
        first = [f"[service]{group['group']}[/]", group["state"], str(len(group["members"]))]
        for stream, records in behind.items() or [("", 0)]:
            lines.add_row(*first, stream, _behind(records, amount(records)) if stream else "")
            first = ["", "", ""]
    return lines


def detail(group: dict[str, Any]) -> RenderableType:
    """A group's members and its position in every partition."""
    from rich.console import Group
    from rich.text import Text

    from tidings.cli.screen import amount, table

    title = Text.assemble((group["group"], "service"), f"  {group['state']}, {amount(group['behind'])} behind")
    members = [Text(f"  {member}", "quiet") for member in group["members"]]
    lines = table("partition", "committed", "end", "behind", numbers=("committed", "end", "behind"))
    for at in group["partitions"]:
        numbers = [amount(at["committed"]), amount(at["end"]), _behind(at["behind"], amount(at["behind"]))]
        lines.add_row(f"{at['stream']}/{at['partition']}", *numbers)
    return Group(title, *members, Text(), lines)


def _behind(records: int, text: str) -> str:
    return f"[warn]{text}[/]" if records else f"[good]{text}[/]"
