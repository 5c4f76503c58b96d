"""A workflow as a tree on the screen, and as JSON. Pure: from what was found to what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tidings.cli.moments import iso_time, span
from tidings.cli.screen import printable
from tidings.cli.trace_notes import NOTHING_KNOWN, Known, dead_letter_as_json, notes, receipt_as_json
from tidings.events.envelope import service_of
from tidings.service.trace import Sighting, Step, Workflow

WIDE_COLUMNS = 100


def tree(workflow: Workflow, *, known: Known = NOTHING_KNOWN, columns: int = 80) -> RenderableType:
    """The heading, and a line for each event: what, when (from the start), how long after its cause, by whom, where.

    Where services write receipts, the time after the cause is told in two: how long the cause `waited` to be handled,
    and how long that `took`.
    """
    wide = columns >= WIDE_COLUMNS
    times = ["waited", "took"] if workflow.has_receipts else ["after"]
    names = ["event", "key", "at", *times, "by", "where"]
    lines: list[list[Text] | Text] = [[Text(name, "quiet") for name in names if wide or name != "key"]]
    for branches, step in _lines(workflow):
        event = step.event
        cells = [
            Text.assemble((branches, "quiet"), (printable(event.type or "(no type)"), "event")),
            Text(printable(event.key or ""), "key"),
            Text(f"+{span(event.time_ms - workflow.start_ms)}" if event.time_ms > workflow.start_ms else "start"),
            *(Text(time, "quiet") for time in (_handling(step) if workflow.has_receipts else [_after(step)])),
            Text(printable(service(event)), "service"),
            Text(str(event.position), "place"),
        ]
        lines.append(cells if wide else cells[:1] + cells[2:])
        lines += [Text.assemble((_below(branches, step), "quiet"), note) for note in notes(step, known)]
    numbers = range(1 + wide, 2 + wide + len(times))
    return Group(heading(workflow), Text(), *_aligned(lines, numbers))


def _aligned(lines: list[list[Text] | Text], numbers: range) -> Iterator[Text]:
    """The cells of each line below those of the others, numbers on the right. What is no list goes over all columns."""
    rows = [line for line in lines if isinstance(line, list)]
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for line in lines:
        if isinstance(line, list):
            for index, (cell, width) in enumerate(zip(line, widths, strict=True)):
                pad = cell.pad_left if index in numbers else cell.pad_right
                pad(width - cell.cell_len)
            line = Text("  ", no_wrap=True, overflow="ellipsis").join(line)
        line.rstrip()
        yield line


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


def _after(step: Step) -> str:
    return span(step.event.time_ms - step.caused_by.time_ms) if step.caused_by else ""


def _handling(step: Step) -> list[str]:
    """How long the cause waited for the handler that emitted this event, and how long that took."""
    receipt = step.made_by
    if receipt is None or step.caused_by is None:
        return ["", ""]
    return [span(max(0.0, receipt.began_ms - step.caused_by.time_ms)), span(receipt.handling_ms)]


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


def as_json(workflow: Workflow, *, known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """The same, for machines. Times are milliseconds; `effects` nest."""
    documents: dict[int, dict[str, Any]] = {}
    roots = []
    for _, step in workflow.steps():
        documents[id(step)] = document = _step_as_json(step, workflow, known)
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


def _step_as_json(step: Step, workflow: Workflow, known: Known) -> dict[str, Any]:
    event = step.event
    cause = step.caused_by
    return {
        **record_as_json(event),
        "since_start_ms": round(event.time_ms - workflow.start_ms, 3),
        "since_cause_ms": round(event.time_ms - cause.time_ms, 3) if cause else None,
        "again": [str(again.position) for again in step.again],
        "handled": [receipt_as_json(step, receipt) for receipt in step.receipts],
        "dead_letters": [dead_letter_as_json(step, letter) for letter in step.dead],
        "waiting_for": list(known.waiting.get(event.position, ())),
        "missing": [one._asdict() for one in known.missing.get(event.position, ())],
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
