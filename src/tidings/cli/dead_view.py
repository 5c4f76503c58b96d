"""Dead letters on the screen, and as JSON. Pure: from what is outstanding to what is shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidings.cli.dead_choice import Plan
from tidings.cli.dead_office import Case
from tidings.cli.moments import date_time, iso_time, span
from tidings.cli.record_view import payload
from tidings.cli.screen import amount, printable, table
from tidings.service.dead_letters import original, told_by
from tidings.service.parking.letters import ASKED, WAITING
from tidings.service.transports.base import Received

_STATES = {ASKED: "warn", WAITING: "quiet"}


def overview(cases: Sequence[Case], now_ms: int) -> RenderableType:
    """A line for each: how it is called, what it is, why it is here, since when, and who waits for it."""
    several = len({case.service for case in cases}) > 1
    names = ["service", "letter", "key", "event", "reason", "error", "handler", "attempts", "age", "behind"]
    lines = table(*(names if several else names[1:]), numbers=("letter", "attempts", "age", "behind"))
    for case in cases:
        letter = case.letter
        cells = [
            Text(case.service, "service"),
            Text(str(letter.number), "number"),
            Text(printable(case.key or ""), "key"),
            Text(printable(case.type), "event"),
            Text(_reason(case), _STATES.get(letter.state, "bad")),
            Text(printable(case.error)),
            Text(printable(case.handler), "quiet"),
            Text(amount(letter.attempts) if letter.attempts else ""),
            Text(span(max(0, now_ms - case.time_ms)), "quiet"),
            Text(amount(case.behind) if case.behind and case.first is None else "", "warn"),
        ]
        lines.add_row(*(cells if several else cells[1:]))
    return lines


def _reason(case: Case) -> str:
    if case.letter.state == ASKED:
        return "redriving"
    if case.letter.state == WAITING:
        return f"behind {case.first}" if case.first is not None else "goes on"
    return case.letter.reason


def detail(case: Case, letter: Received) -> RenderableType:
    """All that there is: the record as it was, and why it is here."""
    record, told = original(letter), told_by(letter.headers)
    title = Text.assemble(
        (f"letter {case.letter.number}", "number"), " of ", (case.service, "service"),
        f"  {_reason(case)}", f"  since {date_time(case.time_ms)}",
    )  # fmt: skip
    facts = table("", "")
    facts.show_header = False
    for name, text in _facts(case, record, told):
        if text:
            facts.add_row(Text(name, "quiet"), Text(printable(text)))
    parts: list[RenderableType] = [title, Text(), facts, Text(), Text("headers", "quiet"), _headers(record)]
    parts += [Text(), Text("value", "quiet"), _indented(pretty(record.value))]
    if case.letter.edited is not None:
        parts += [Text(), Text("edited: this is what will be handled", "warn"), _indented(pretty(case.letter.edited))]
    if traceback := (case.letter.tried.traceback if case.letter.tried else "") or told.get("dead_traceback", ""):
        parts += [Text(), Text("traceback", "quiet"), _indented(traceback.rstrip())]
    return Group(*parts)


def _facts(case: Case, record: Received, told: dict[str, str]) -> list[tuple[str, str]]:
    letter = case.letter
    waiting = f"{amount(case.behind)} of its key" if case.behind else ""
    return [
        ("stands at", str(letter.id.position)),
        ("written", date_time(record.timestamp_ms)),
        ("key", case.key or ""),
        ("event", f"{case.type} {case.event_id}".strip()),
        ("error", f"{case.error}: {case.message}" if case.error else ""),
        ("handler", case.handler),
        ("attempts", amount(letter.attempts) if letter.attempts else ""),
        ("waits for", told.get("dead_behind", "")),
        ("waiting behind it", waiting if case.first is None else ""),
    ]


def _headers(record: Received) -> RenderableType:
    lines = table("", "")
    lines.show_header = False
    for name, value in record.headers or ():
        text = "" if value is None else value.decode("utf-8", "backslashreplace")
        lines.add_row(Text("  " + printable(name), "quiet"), Text(printable(text)))
    return lines


def _indented(text: str) -> RenderableType:
    lines = Text("\n".join(printable(line) for line in text.split("\n")))
    return Padding(lines, (0, 0, 0, 2), expand=False)


def pretty(value: bytes | None) -> str:
    """JSON over several lines; anything else as `payload` has it."""
    try:
        return msgspec.json.format(value or b"", indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload(value)


def as_json(case: Case) -> dict[str, Any]:
    """A letter for machines."""
    letter = case.letter
    return {
        "service": case.service,
        "letter": letter.number,
        "state": letter.state,
        "stream": letter.id.stream,
        "partition": letter.id.partition,
        "offset": letter.id.offset,
        "key": case.key,
        "type": case.type or None,
        "id": case.event_id or None,
        "reason": letter.reason,
        "error": case.error or None,
        "message": case.message or None,
        "handlers": list(letter.handlers),
        "attempts": letter.attempts,
        "time": iso_time(case.time_ms),
        "parks": letter.parks,
        "behind": case.behind,
        "waits_for": case.first,
        "edited": letter.edited is not None,
    }


def detail_as_json(case: Case, letter: Received) -> dict[str, Any]:
    record, told = original(letter), told_by(letter.headers)
    traceback = case.letter.tried.traceback if case.letter.tried else ""
    headers = {
        name: None if value is None else value.decode("utf-8", "replace") for name, value in record.headers or ()
    }
    document = {
        **as_json(case),
        "headers": headers,
        "traceback": traceback or told.get("dead_traceback") or None,
        **_data("data", record.value),
    }
    return document if case.letter.edited is None else {**document, **_data("edited_data", case.letter.edited)}


def _data(name: str, value: bytes | None) -> dict[str, Any]:
    """A payload that is no JSON is in base64, as CloudEvents has it."""
    if value is None:
        return {name: None}
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {f"{name}_base64": base64.b64encode(value).decode()}
    return {name: msgspec.Raw(value)}


def heading(cases: Sequence[Case], shown: Sequence[Case]) -> Text:
    """How much there is in all."""
    waiting = sum(case.letter.state == WAITING for case in cases)
    text = Text.assemble((letters(len(cases) - waiting), "bad" if cases else "good"))
    if waiting:
        text.append(f", and {amount(waiting)} that wait behind them", "warn")
    if hidden := len(cases) - waiting - sum(case.letter.state != WAITING for case in shown):
        text.append(f"; {amount(hidden)} are not shown", "quiet")
    return text


def planned(plan: Plan, service: str) -> str:
    """What redriving comes to, in a sentence."""
    said = f"{letters(len(plan.asked))} of {service} to try again"
    if plan.following:
        said += f"; {amount(plan.following)} waiting behind them follow by themselves, in order"
    if plan.under_way:
        said += f"; {amount(plan.under_way)} under way already"
    return said


def letters(count: int) -> str:
    return f"{amount(count)} letter{'' if count == 1 else 's'}"


def sample(cases: Sequence[Case], now_ms: int, rows_max: int = 10) -> RenderableType:
    """The first of them, and how many more there are."""
    lines = overview(cases[:rows_max], now_ms)
    if len(cases) > rows_max and isinstance(lines, Table):
        return Group(lines, Text(f"… and {amount(len(cases) - rows_max)} more", "quiet"))
    return lines
