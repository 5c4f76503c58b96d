"""A workflow as a tree on the screen, and as JSON. Pure: from what was found to what is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tidings.cli.moments import iso_time, span
from tidings.cli.screen import printable, table
from tidings.events.envelope import service_of
from tidings.events.position import Position
from tidings.service.trace import Sighting, Step, Workflow

Waiting = Mapping[Position, list[str]]
"""The groups that read a record's stream and have yet to say that they are done with it."""

WIDE_COLUMNS = 100


def tree(workflow: Workflow, *, waiting: Waiting | None = None, columns: int = 80) -> RenderableType:
    """The heading, and a line for each event: what, when (from the start, and after its cause), by whom, and where."""
    wide = columns >= WIDE_COLUMNS
    names = ["event", "key", "at", "after", "by", "where"]
    lines = table(*(name for name in names if wide or name != "key"), numbers=("at", "after"))
    for branches, step in _lines(workflow):
        event = step.event
        cells = [
            Text.assemble((branches, "quiet"), (printable(event.type or "(no type)"), "event")),
            Text(printable(event.key or ""), "key"),
            Text(f"+{span(event.time_ms - workflow.start_ms)}" if event.time_ms > workflow.start_ms else "start"),
            Text(span(event.time_ms - step.caused_by.time_ms) if step.caused_by else "", "quiet"),
            Text(printable(service(event)), "service"),
            Text(str(event.position), "place"),
        ]
        lines.add_row(*(cells if wide else cells[:1] + cells[2:]))
        for note in _notes(step, waiting or {}):
            lines.add_row(Text.assemble((_below(branches, step), "quiet"), note))
    return Group(heading(workflow), Text(), lines)


def heading(workflow: Workflow) -> Text:
    """What began it, how much followed, and from where it came."""
    first = workflow.roots[0].event
    count = len(workflow)
    text = Text.assemble(
        (printable(first.key or first.id or workflow.id), "bold"),
        f"  {count} event{'s' if count > 1 else ''}",
        f" in {span(workflow.end_ms - workflow.start_ms)}" if count > 1 else "",
    )
    if first.request_id:
        place = f" from {first.client_address}" if first.client_address else ""
        text.append("\n" + printable(f"request {first.request_id}{place}"))
    text.append(f"\nworkflow {printable(workflow.id)}", "quiet")
    return text


def service(event: Sighting) -> str:
    """Who emitted it: CloudEvents wants a URI reference, people a name."""
    return service_of(event.source or "")


def _notes(step: Step, waiting: Waiting) -> Iterator[tuple[str, str]]:
    if step.event.causation_id and not step.caused_by:
        yield "its cause is out of sight", "warn"
    for again in step.again:
        yield f"again at {again.position}", "warn"
    for group in waiting.get(step.event.position, ()):
        yield f"waiting for {group}", "warn"


def _lines(workflow: Workflow) -> Iterator[tuple[str, Step]]:
    """Each step with the branches that lead to it, depth first."""
    stack = [("", "", root) for root in reversed(workflow.roots)]
    while stack:
        lead, branch, step = stack.pop()
        yield lead + branch, step
        below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        last = len(step.effects) - 1
        stack += [
            (below, "└─ " if index == last else "├─ ", effect)
            for index, effect in reversed(list(enumerate(step.effects)))
        ]


def _below(branches: str, step: Step) -> str:
    """The branches in front of a note on a step: those that go on past it."""
    passing = branches.replace("├─ ", "│  ").replace("└─ ", "   ")
    return passing + ("│  " if step.effects else "   ")


def as_json(workflow: Workflow, *, waiting: Waiting | None = None) -> dict[str, Any]:
    """The same, for machines. Times are milliseconds; `effects` nest."""
    documents: dict[int, dict[str, Any]] = {}
    roots = []
    for _, step in workflow.steps():
        documents[id(step)] = document = _step_as_json(step, workflow, waiting or {})
        if step.caused_by is None:
            roots.append(document)
    for _, step in workflow.steps():
        documents[id(step)]["effects"] = [documents[id(effect)] for effect in step.effects]
    return {
        "workflow": workflow.id,
        "start": iso_time(workflow.start_ms),
        "duration_ms": round(workflow.end_ms - workflow.start_ms, 3),
        "events": len(workflow),
        "roots": roots,
    }


def _step_as_json(step: Step, workflow: Workflow, waiting: Waiting) -> dict[str, Any]:
    event = step.event
    cause = step.caused_by
    return {
        **record_as_json(event),
        "since_start_ms": round(event.time_ms - workflow.start_ms, 3),
        "since_cause_ms": round(event.time_ms - cause.time_ms, 3) if cause else None,
        "again": [str(again.position) for again in step.again],
        "waiting_for": list(waiting.get(event.position, ())),
    }


def record_as_json(event: Sighting) -> dict[str, Any]:
    """What is known about one record, but for its payload."""
    return {
        "stream": event.position.stream,
        "partition": event.position.partition,
        "offset": event.position.offset,
        "time": iso_time(event.time_ms),
        "type": event.type,
        "id": event.id,
        "key": event.key,
        "source": event.source,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "request_id": event.request_id,
        "client_address": event.client_address,
    }
