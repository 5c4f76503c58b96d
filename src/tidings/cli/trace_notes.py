"""What there is to be said of one step of a workflow, besides the event itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tidings.cli.moments import span
from tidings.cli.screen import printable
from tidings.events.position import Position
from tidings.service.operations.missing import Missing
from tidings.service.operations.receipts import Receipt
from tidings.service.trace import Sighting, Step

Note = tuple[str, str]
"""The words, and the style they are shown in."""

MESSAGE_CHARS_MAX = 60


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of workflows from elsewhere than their records."""

    waiting: Mapping[Position, list[str]] = field(default_factory=dict)
    """The groups that read a record's stream and have yet to say that they are done with it."""
    missing: Mapping[Position, list[Missing]] = field(default_factory=dict)
    """The handlers that declare to read an event, and of which there is no trace."""


NOTHING_KNOWN = Known()


def notes(step: Step, known: Known) -> Iterator[Note]:
    """In the order of what happens to an event."""
    if step.event.causation_id and not step.caused_by:
        yield "its cause is out of sight", "warn"
    for again in step.again:
        yield f"again at {again.position}", "warn"
    yield from _of_receipts(step)
    for letter in step.dead:
        outcome = step.settled.get(letter.position)
        yield _of_dead_letter(letter) + (f", {outcome} since" if outcome else ""), "quiet" if outcome else "bad"
    yield from _of_what_is_missing(step, known)


def _of_receipts(step: Step) -> Iterator[Note]:
    """Of handlings that no line of the tree tells: those without effects, and what was difficult about the others."""
    shown = {id(effect.made_by) for effect in step.effects}
    buried = {(letter.burial.service, letter.burial.handler) for letter in step.dead if letter.burial is not None}
    handled: set[tuple[str, str]] = set()
    for receipt in step.receipts:
        whose = receipt.service, receipt.handler
        who = printable(".".join(whose))
        attempts = f"{receipt.attempts} attempts in {span(receipt.ended_ms - receipt.began_ms)}"
        if receipt.outcome != "handled":
            if whose not in buried:  # else its dead letter says it
                yield f"{who} gave up after {attempts}", "bad"
            continue
        if whose in handled:
            yield f"handled again by {who}", "warn"
        elif id(receipt) not in shown:
            times = f"waited {span(step.queued_ms(receipt))}, took {span(receipt.handling_ms)}"
            yield f"handled by {who}: {times}", "quiet"
        if receipt.attempts > 1 and whose not in handled:
            yield f"{who} needed {attempts}", "warn"
        handled.add(whose)


def _of_dead_letter(letter: Sighting) -> str:
    burial = letter.burial
    if burial is None:
        return f"dead letter at {letter.position}"
    who = ".".join(part for part in (burial.service, burial.handler) if part)
    if burial.behind:
        return printable(f"parked by {who} behind {burial.behind} ({letter.position})")
    times = f" after {burial.attempts} attempts" if burial.attempts > 1 else ""
    said = ": ".join(part for part in (burial.error, burial.message) if part)
    cut = said if len(said) <= MESSAGE_CHARS_MAX else said[:MESSAGE_CHARS_MAX] + "…"
    return printable(f"dead letter of {who}{times}: {cut or burial.reason} ({letter.position})")


def _of_what_is_missing(step: Step, known: Known) -> Iterator[Note]:
    waiting = known.waiting.get(step.event.position, ())
    missed = known.missing.get(step.event.position, ())
    for group in waiting:
        to_come = _types(one for one in missed if one.service == group)
        yield printable(f"waiting for {group}" + (f": {to_come} to come" if to_come else "")), "warn"
    for one in missed:
        if one.service not in waiting:
            nothing = f"no {_types([one])} came of it" if one.emits else "no receipt"
            yield printable(f"{one.service}.{one.handler} reads this: {nothing}"), "warn"


def _types(missed: Iterator[Missing] | list[Missing]) -> str:
    return " or ".join(dict.fromkeys(emitted for one in missed for emitted in one.emits))


def receipt_as_json(step: Step, receipt: Receipt) -> dict[str, object]:
    """Times are milliseconds."""
    return {
        "service": receipt.service,
        "handler": receipt.handler,
        "outcome": receipt.outcome,
        "attempts": receipt.attempts,
        "queued_ms": round(step.queued_ms(receipt), 3),
        "handling_ms": receipt.handling_ms,
        "began_ms": receipt.began_ms,
        "ended_ms": receipt.ended_ms,
        "outputs": list(receipt.outputs),
    }


def dead_letter_as_json(step: Step, letter: Sighting) -> dict[str, object]:
    """`settled` is what became of it since: `handled`, `dropped`, or null."""
    said = letter.burial._asdict() if letter.burial is not None else {}
    return {"at": str(letter.position), **said, "settled": step.settled.get(letter.position)}
