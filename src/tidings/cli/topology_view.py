"""How a topology is shown: as text, as a Mermaid flowchart, as JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.text import Text

from tidings.cli.screen import printable
from tidings.service.topology import Link, Topology

ARROWS = {"reads": "←", "keeps": "⇐", "emits": "→"}


def lines(topology: Topology) -> Text:
    """A service, and below it what it does; what departs from what it declared stands out."""
    undeclared, unseen = set(topology.undeclared()), set(topology.unseen())
    shown = Text()
    for service, links in groupby(topology.links(), key=lambda link: link.service):
        shown.append(f"{printable(service)}\n", "service")
        for link in links:
            shown.append(f"  {link.kind:5} ", "quiet")
            shown.append(f"{printable(link.type or '?'):28} ", "event")
            shown.append(f"{ARROWS[link.kind]} ", "quiet")
            shown.append(f"{link.stream:24} ", "place")
            if count := topology.count(link):
                shown.append(f"{count:>10,} seen", "quiet")
            if link in undeclared:
                shown.append("  not declared", "bad")
            elif link in unseen and topology.seen:
                shown.append("  not seen", "warn")
            shown.append("\n")
    shown.rstrip()
    return shown


def mermaid(topology: Topology) -> str:
    """A flowchart: services are rounded, streams are cylinders; what a table keeps comes by a dotted line."""
    return "\n".join(_flowchart(topology))


def _flowchart(topology: Topology) -> Iterator[str]:
    yield "flowchart LR"
    for service in topology.services:
        yield f'  {_node("service", service)}(["{_label(service)}"])'
    for stream in topology.streams:
        yield f'  {_node("stream", stream)}[("{_label(stream)}")]'
    for link in topology.links():
        service, stream = _node("service", link.service), _node("stream", link.stream)
        begin, end = (service, stream) if link.kind == "emits" else (stream, service)
        arrow = "-.->" if link.kind == "keeps" else "-->"
        label = f'|"{_label(link.type)}"|' if link.type else ""
        yield f"  {begin} {arrow}{label} {end}"


def _node(kind: str, name: str) -> str:
    """An identifier of Mermaid's, another one for every name."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", name)


def _label(text: str) -> str:
    """Mermaid reads entities, and would take quotes and brackets for its own."""
    return re.sub(r'["<>#&]', lambda found: f"#{ord(found[0])};", text)


def as_json(topology: Topology) -> dict[str, Any]:
    return {
        "services": topology.services,
        "streams": topology.streams,
        "links": [
            _link(link) | {"declared": link in topology.declared, "seen": topology.count(link)}
            for link in topology.links()
        ],
        "drift": {
            "undeclared": [_link(link) for link in topology.undeclared()],
            "unseen": [_link(link) for link in topology.unseen()],
        },
    }


def _link(link: Link) -> dict[str, Any]:
    return {"service": link.service, "kind": link.kind, "stream": link.stream, "type": link.type}
