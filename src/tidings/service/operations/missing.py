"""What a workflow lacks: handlers that say they read an event, of which nothing is to be seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from tidings.events.envelope import service_of
from tidings.events.position import Position

if TYPE_CHECKING:
    from tidings.service.description import Description
    from tidings.service.trace import Step, Workflow


class Missing(NamedTuple):
    """A handler that has not been heard of."""

    service: str
    handler: str
    emits: tuple[str, ...]
    """The types of events that it may answer with."""


def missing(workflow: Workflow, descriptions: Iterable[Description]) -> dict[Position, list[Missing]]:
    """For each event of the workflow, by its place: the handlers that read its type and have left no trace.

    A handler that emits nothing leaves none unless its service writes receipts: of those nothing is said.
    """
    readers: dict[tuple[str, str | None], list[Missing]] = {}
    for description in descriptions:
        for reading in description.reads:
            reader = Missing(description.service, str(reading["handler"]), tuple(reading["emits"]))
            readers.setdefault((str(reading["stream"]), str(reading["type"])), []).append(reader)
    writes_receipts = {receipt.service for _, step in workflow.steps() for receipt in step.receipts}
    found: dict[Position, list[Missing]] = {}
    for _, step in workflow.steps():
        event = step.event
        for reader in readers.get((event.position.stream, event.type), ()):
            would_show = reader.emits or reader.service in writes_receipts
            if would_show and not _has_left_a_trace(reader, step):
                found.setdefault(event.position, []).append(reader)
    return found


def _has_left_a_trace(reader: Missing, step: Step) -> bool:
    who = (reader.service, reader.handler)
    return (
        any((receipt.service, receipt.handler) == who for receipt in step.receipts)
        or any(
            service_of(effect.event.source or "") == reader.service and effect.event.type in reader.emits
            for effect in step.effects
        )
        or any(
            letter.burial is not None
            and letter.burial.service == reader.service
            and letter.burial.handler in ("", reader.handler)
            for letter in step.dead
        )
    )
