"""Rebuilding a workflow from the log alone: which event caused which.

Nobody owns a workflow and nobody keeps a record of it. But every event names its cause and the workflow it belongs to
(`causationid`, `correlationid`), so the records tell the whole story, whoever reads them. Dead letters tell what was
given up, and receipts, where services write them, who handled an event and when.

Pure: it is given records, in any order, and gives back trees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tidings.events.envelope import Envelope
from tidings.events.position import Position
from tidings.service.operations.burials import Burial, Settlement, burial_in, settlement_in
from tidings.service.operations.receipts import Receipt, read_receipt
from tidings.service.transports.base import Received


@dataclass(frozen=True, slots=True)
class Sighting:
    """One record as the log shows it. What no CloudEvents header says is None: any Kafka client may have written it.

    `time_ms` is when the event happened by its own account (`ce_time`), else when it was recorded; milliseconds since
    the epoch, with a fraction where the event gives one.
    """

    position: Position
    time_ms: float
    key: str | None = None
    id: str | None = None
    type: str | None = None
    source: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    request_id: str | None = None
    client_address: str | None = None
    burial: Burial | None = None
    """What a dead letter says of its end; all else that it says is of the event it was."""

    @property
    def workflow_id(self) -> str | None:
        """What all events of one workflow have in common: the correlation id; of a first event without one, its own."""
        return self.correlation_id or self.id

    def answers_to(self, query: str) -> bool:
        return query in (self.id, self.key, self.correlation_id)


Evidence = Sighting | Receipt | Settlement
"""What the log has to say of workflows."""


def sighting(
    position: Position, timestamp_ms: int, key: bytes | None, headers: Iterable[tuple[str, bytes | None]] | None
) -> Sighting:
    """Read one record. Nothing in it is trusted to be well formed, or there."""
    said = Envelope(headers)
    return Sighting(
        position,
        time_ms=said.time.timestamp() * 1000 if said.time else float(timestamp_ms),
        key=None if key is None else key.decode("utf-8", "replace"),
        id=said.id,
        type=said.type,
        source=said.source,
        correlation_id=said.correlation_id,
        causation_id=said.causation_id,
        request_id=said.request_id,
        client_address=said.client_address,
        burial=burial_in(said.headers),
    )


def evidence(record: Received) -> Evidence:
    """What a record has to say."""
    return (
        read_receipt(record.headers, record.key, record.value)
        or settlement_in(record)
        or sighting(Position(*record[:3]), record.timestamp_ms, record.key, record.headers)
    )


@dataclass(slots=True)
class Step:
    """An event in its workflow, with what it caused."""

    event: Sighting
    caused_by: Sighting | None
    effects: list[Step] = field(default_factory=list)
    again: list[Sighting] = field(default_factory=list)
    """Further records of the same event: a redelivery that did its work twice."""
    dead: list[Sighting] = field(default_factory=list)
    """Its dead letters."""
    settled: dict[Position, str] = field(default_factory=dict)
    """What became of those that are done with, by where they stand: `handled` or `dropped`."""
    receipts: list[Receipt] = field(default_factory=list)
    """Of those who handled it, in the order they began."""
    made_by: Receipt | None = None
    """Of the handling that it came of."""

    def walk(self) -> Iterator[tuple[int, Step]]:
        """This step and all that follows from it, causes first, each with its depth."""
        waiting = [(0, self)]  # a stack, not recursion: two services that answer each other make deep trees
        while waiting:
            depth, step = waiting.pop()
            yield depth, step
            waiting += [(depth + 1, effect) for effect in reversed(step.effects)]

    def queued_ms(self, receipt: Receipt) -> float:
        """How long the event waited, from being emitted until the handler of `receipt` first began."""
        return max(0.0, receipt.began_ms - self.event.time_ms)


@dataclass(frozen=True, slots=True)
class Workflow:
    """All events with one correlation id. There is more than one root only where a cause is out of sight."""

    id: str
    roots: list[Step]

    def steps(self) -> Iterator[tuple[int, Step]]:
        for root in self.roots:
            yield from root.walk()

    def __len__(self) -> int:
        return sum(1 for _ in self.steps())

    @property
    def start_ms(self) -> float:
        return min(step.event.time_ms for _, step in self.steps())

    @property
    def end_ms(self) -> float:
        return max(step.event.time_ms for _, step in self.steps())

    @property
    def has_receipts(self) -> bool:
        return any(step.receipts for _, step in self.steps())


def workflows(evidence: Iterable[Evidence]) -> list[Workflow]:
    """The records sorted into workflows, the oldest first. A record without id belongs to none, and is left out."""
    by_workflow: defaultdict[str, list[Sighting]] = defaultdict(list)
    receipts: list[Receipt] = []
    settled: dict[Position, str] = {}
    for record in evidence:
        if isinstance(record, Receipt):
            receipts.append(record)
        elif isinstance(record, Settlement):
            settled[record.letter] = record.outcome
        elif record.workflow_id is not None:
            by_workflow[record.workflow_id].append(record)
    found = [Workflow(workflow_id, _roots(events)) for workflow_id, events in by_workflow.items()]
    _hand_out(receipts, found)
    for workflow in found if settled else ():
        for _, step in workflow.steps():
            step.settled = {at.position: settled[at.position] for at in step.dead if at.position in settled}
    return sorted((workflow for workflow in found if workflow.roots), key=lambda workflow: workflow.start_ms)


def _roots(events: list[Sighting]) -> list[Step]:
    steps: dict[str, Step] = {}
    # A dead letter has the headers of the event it was: the event itself comes first, if it is still there.
    for event in sorted(events, key=lambda event: (event.burial is not None, event.time_ms, event.position)):
        if event.id is None:
            continue
        step = steps.get(event.id)
        if step is None:
            step = steps[event.id] = Step(event, None)
        elif event.burial is None:
            step.again.append(event)
        if event.burial is not None:
            step.dead.append(event)
    roots = []
    for step in sorted(steps.values(), key=lambda step: (step.event.time_ms, step.event.position)):
        cause = steps.get(step.event.causation_id or "")
        if cause is None or _leads_to(step, cause):
            roots.append(step)
        else:
            step.caused_by = cause.event
            cause.effects.append(step)
    return roots


def _leads_to(step: Step, cause: Step) -> bool:
    """Whether `cause` is itself an effect of `step`: forged ids must not make a circle of a tree."""
    return any(follower is cause for _, follower in step.walk())


def _hand_out(receipts: list[Receipt], found: list[Workflow]) -> None:
    """Each receipt to the event it is of, and to those that came of it."""
    if not receipts:
        return
    steps = {step.event.id: step for workflow in found for _, step in workflow.steps()}
    for receipt in sorted(receipts, key=lambda receipt: (receipt.began_ms, receipt.service, receipt.handler)):
        if (step := steps.get(receipt.event)) is not None:
            step.receipts.append(receipt)
        for output in receipt.outputs:
            if (made := steps.get(output)) is not None:
                made.made_by = receipt


def find(query: str, scan: Callable[[], Iterable[Evidence]]) -> list[Workflow]:
    """The workflows of the events that have `query` as their id, key or correlation id.

    `scan` is called twice, and must give the same records each time: an effect may be met before the event that was
    asked for, and keeping every record until then could take more memory than there is.
    """
    wanted = {record.workflow_id for record in scan() if isinstance(record, Sighting) and record.answers_to(query)} - {
        None
    }
    if not wanted:
        return []
    return workflows(record for record in scan() if isinstance(record, Settlement) or record.workflow_id in wanted)
