"""`tidings dead`: what services could not handle, and the way back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.dead_decide import DROP_EXAMPLES, REDRIVE_EXAMPLES, drop, redrive
from tidings.cli.dead_edit import EDIT_EXAMPLES, edit
from tidings.cli.dead_options import Behind, Error, Handler, Key, Number, Reason, Service, Since, Stream, choice_of
from tidings.cli.options import DEFAULT_URL, Json, Url

if TYPE_CHECKING:
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_office import Case

EXAMPLES = """
tidings dead list                            every service's dead letters
tidings dead show shipping 17                one, whole: the record, the error, the traceback
tidings dead edit shipping 17                mend its value in your editor
tidings dead redrive shipping 17             try it again; those that waited behind it follow
tidings dead redrive shipping --error TimeoutError --rate 100/s
tidings dead drop shipping 17                give it up for good
"""

LIST_EXAMPLES = """
tidings dead list                            of every service
tidings dead list shipping --since 1h        given up in the last hour
tidings dead list shipping --error timeout   a type of error, or a part of what it said
tidings dead list shipping --key order-42 --behind
tidings dead list --json | jq -r .[].key
"""

SHOW_EXAMPLES = """
tidings dead show shipping 17
tidings dead show shipping 17 --json | jq .data
"""


def dead() -> None:
    """Dead letters: what a service gave up, why, and the way back.

    A record that cannot be handled is kept in the service's dead-letter stream, and its key is parked: later records
    of the key wait behind it, in order, while all others go on. Tried again, it goes to that service alone.
    """


def list_letters(
    service: Annotated[str | None, typer.Argument(metavar="SERVICE", help="Only those of one service.")] = None,
    key: Key = None,
    error: Error = None,
    handler: Handler = None,
    reason: Reason = None,
    stream: Stream = None,
    since: Since = None,
    behind: Behind = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List the dead letters that nobody has decided about yet, and how many records wait behind each."""
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_view import as_json, heading, overview
    from tidings.cli.screen import console, print_json

    choice = choice_of((), key, error, handler, reason, stream, since, behind)
    cases = _cases(Cluster(url), service)
    shown = choice.of(cases)
    if json:
        print_json([as_json(case) for case in shown])
        return
    screen = console()
    if not cases:
        screen.print("no dead letters", style="good")
        return
    if shown:
        screen.print(overview(shown, time.time_ns() // 1_000_000), "")
    screen.print(heading(cases, shown))


def _cases(cluster: Cluster, service: str | None) -> list[Case]:
    from tidings.cli.dead_office import DeadOffice, services_with_letters

    services = services_with_letters(cluster) if service is None else [service]
    return [case for name in services for case in DeadOffice(cluster, name).cases()]


def show(service: Service, letter: Number, json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show one dead letter whole: the record as it was, where it stands, the error and its traceback."""
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_office import DeadOffice
    from tidings.cli.dead_view import detail, detail_as_json
    from tidings.cli.screen import console, print_json

    office = DeadOffice(Cluster(url), service)
    case, record = office.case(letter), office.record(letter)
    if json:
        print_json(detail_as_json(case, record))
    else:
        console().print(detail(case, record))


SUBCOMMANDS = {
    "list": (list_letters, LIST_EXAMPLES),
    "show": (show, SHOW_EXAMPLES),
    "edit": (edit, EDIT_EXAMPLES),
    "redrive": (redrive, REDRIVE_EXAMPLES),
    "drop": (drop, DROP_EXAMPLES),
}
