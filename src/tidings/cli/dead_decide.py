"""`tidings dead redrive` and `tidings dead drop`: what is to become of dead letters."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.dead_options import (
    All,
    Behind,
    DryRun,
    Error,
    Handler,
    Key,
    Numbers,
    Reason,
    Service,
    Since,
    Stream,
    Yes,
    choice_of,
)
from tidings.cli.options import DEFAULT_URL, Json, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.dead_choice import Choice, Plan
    from tidings.cli.dead_office import Case, DeadOffice

REDRIVE_EXAMPLES = """
tidings dead redrive shipping 17 18                 two of them
tidings dead redrive shipping --key order-42        all of one key
tidings dead redrive shipping --error TimeoutError --since 1h
tidings dead redrive shipping --all --dry-run       what would be tried again
tidings dead redrive shipping --all --rate 100/s --yes
"""

DROP_EXAMPLES = """
tidings dead drop shipping 17                       those behind it go on
tidings dead drop shipping --reason undecodable --dry-run
tidings dead drop shipping --key order-42 --behind  it, and all that wait behind it
"""

EXIT_FAILED_AGAIN = 1
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*([smh]))?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


def redrive(
    service: Service,
    letters: Numbers = None,
    every: All = False,
    key: Key = None,
    error: Error = None,
    handler: Handler = None,
    reason: Reason = None,
    stream: Stream = None,
    since: Since = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/s", help="At most so many a second (or /m, /h), all processes together.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Annotated[bool, typer.Option(help="Stay until it is known what became of them.")] = True,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Have dead letters tried again, by the service that gave them up and by no other.

    Each key goes on in its order: the letter, then what waited behind it. What fails again stays a dead letter. The
    service does the work: ending this command, or the service, in the middle loses nothing. Exit code 1: some failed
    again.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_choice import plan_redrive
    from tidings.cli.dead_office import DeadOffice
    from tidings.cli.dead_view import planned, sample
    from tidings.cli.dead_watch import watch
    from tidings.cli.screen import console, print_json
    from tidings.service.parking.ledger import Pace

    per_s = parse_rate(rate)
    choice = choice_of(letters or (), key, error, handler, reason, stream, since, behind=False)
    office = DeadOffice(Cluster(url), service)
    cases = office.cases()
    plan = plan_redrive(cases, _chosen(office, cases, choice, every))
    if not json:
        _say_of_tables(plan)
        console().print(planned(plan, service))
    if dry_run:
        _print_dry(plan.asked, json)
        return
    if plan.asked:
        if len(plan.asked) > 1 and not yes:
            console().print(sample(plan.asked, _now_ms()))
            _confirm("Try them again?")
        members = office.members()
        office.put(
            [Pace(per_s / max(1, members) if per_s else None), *(case.letter.wish(_now_ms()) for case in plan.asked)]
        )
    else:
        members = office.members()
    if not wait or not (plan.asked or plan.under_way):
        if json:
            print_json({"service": service, "asked": len(plan.asked), "following": plan.following})
        return
    if members == 0:
        _say_that_nobody_is_there(service, plan, json)
        return
    if watch(office, cases, plan, json):
        raise typer.Exit(EXIT_FAILED_AGAIN)


def drop(
    service: Service,
    letters: Numbers = None,
    every: All = False,
    key: Key = None,
    error: Error = None,
    handler: Handler = None,
    reason: Reason = None,
    stream: Stream = None,
    since: Since = None,
    behind: Behind = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Give dead letters up for good: they will not be handled. What waits behind them goes on.

    The records stay where they were; only this service is done with them.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_office import DeadOffice
    from tidings.cli.dead_view import letters as counted
    from tidings.cli.dead_view import sample
    from tidings.cli.screen import console, print_json
    from tidings.service.parking.letters import DROPPED, Settled

    choice = choice_of(letters or (), key, error, handler, reason, stream, since, behind)
    office = DeadOffice(Cluster(url), service)
    cases = office.cases()
    chosen = _chosen(office, cases, choice, every)
    if dry_run:
        _print_dry(chosen, json)
        return
    if chosen and not yes:
        console().print(sample(chosen, _now_ms()))
        _confirm(f"Drop {counted(len(chosen))} of {service} for good?")
    office.put([Settled(case.letter.id, case.letter.last, DROPPED, _now_ms()) for case in chosen])
    if json:
        print_json({"service": service, "dropped": [case.letter.number for case in chosen]})
    else:
        console().print(f"{counted(len(chosen))} of {service} dropped")


def parse_rate(text: str | None) -> float | None:
    """How many a second. Raises OperatorError."""
    if text is None:
        return None
    match = _RATE.fullmatch(text.strip())
    per_s = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if per_s <= 0:
        raise OperatorError(f"{text!r} is no rate", "Write 100/s, 30/m, or a number of letters a second.")
    return per_s


def _chosen(office: DeadOffice, cases: Sequence[Case], choice: Choice, every: bool) -> list[Case]:
    """Raises OperatorError if it was not said which, or one that was named is not there."""
    if choice.says_nothing and not every:
        raise OperatorError(
            "which letters?",
            "Name them by number, by --key, --error, --since and so on, or say --all. "
            f"`tidings dead list {office.service}` shows them.",
        )
    for number in sorted(choice.numbers):
        if all(case.letter.number != number for case in cases):
            office.case(number)  # says what is wrong
    return choice.of(cases)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise OperatorError("nobody is there to be asked", "Add --yes, or look first with --dry-run.")
    typer.confirm(question, abort=True)


def _print_dry(cases: Sequence[Case], json: bool) -> None:
    from tidings.cli.dead_view import as_json, overview
    from tidings.cli.screen import console, print_json

    if json:
        print_json([as_json(case) for case in cases])
    elif cases:
        console().print(overview(cases, _now_ms()))
        console().print("dry run: nothing was done", style="quiet")


def _say_of_tables(plan: Plan) -> None:
    from tidings.cli.dead_view import letters
    from tidings.cli.screen import console

    if plan.tables:
        console().print(
            f"{letters(plan.tables)} of tables left alone: a table does not read a record again. "
            "Emit what is right, then drop them.",
            style="warn",
        )


def _say_that_nobody_is_there(service: str, plan: Plan, json: bool) -> None:
    from tidings.cli.screen import console, print_json

    if json:
        print_json({"service": service, "asked": len(plan.asked), "following": plan.following, "running": False})
    else:
        console().print(f"{service} does not run: it will try them as soon as it does", style="warn")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
