"""`tidings dead edit`: a dead letter is to be handled with another value."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.dead_options import Number, Service
from tidings.cli.options import DEFAULT_URL, Url
from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.dead_office import Case

EDIT_EXAMPLES = """
tidings dead edit shipping 17                       in $EDITOR
tidings dead edit shipping 17 --module shop.shipping
tidings dead edit shipping 17 --value '{"order_id": "o-42", "total": "3.50"}'
jq '.total = "3.50"' letter.json | tidings dead edit shipping 17 --file -
"""


def edit(
    service: Service,
    letter: Number,
    value: Annotated[str | None, typer.Option(metavar="JSON", help="The new value.")] = None,
    file: Annotated[str | None, typer.Option(metavar="PATH|-", help="A file that has it; - is standard input.")] = None,
    module: Annotated[
        str | None,
        typer.Option(metavar="MODULE", help="Where its event is declared, to check the value: as for `tidings run`."),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Give a dead letter another value, for when it is tried again. The record itself stays as it is.

    Without --value and --file, it opens in your editor. `tidings dead redrive` tries it.
    """
    from tidings.cli.cluster import Cluster
    from tidings.cli.dead_office import DeadOffice
    from tidings.cli.dead_view import pretty
    from tidings.service.parking.letters import Edited

    if value is not None and file is not None:
        raise OperatorError("--value and --file are two values", "Give one of them.")
    office = DeadOffice(Cluster(url), service)
    case = office.case(letter)
    before = case.letter.edited if case.letter.edited is not None else office.record(letter).value
    after = _given(value, file)
    if after is None:
        after = _in_editor(pretty(before))
        if after is None:
            print("nothing was changed")
            return
    checked = _checked(after, case, module)
    office.put([Edited(case.letter.id, case.letter.last, checked, time.time_ns() // 1_000_000)])
    print(f"letter {letter} of {service} has a new value; try it with: tidings dead redrive {service} {letter}")


def _given(value: str | None, file: str | None) -> bytes | None:
    if value is not None:
        return value.encode()
    if file is None:
        return None
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}") from None


def _in_editor(text: str) -> bytes | None:
    """What the person made of it; None if nothing. Raises OperatorError."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="tidings-") as folder:
        path = Path(folder) / "letter.json"
        path.write_text(text)
        try:
            subprocess.run([*shlex.split(command), str(path)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise OperatorError(f"the editor {command!r} failed: {error}", "Set EDITOR, or use --value.") from None
        after = path.read_text()
    return None if after.strip() == text.strip() else after.encode()


def _checked(value: bytes, case: Case, module: str | None) -> bytes:
    """The value without needless space. Raises OperatorError if it cannot be handled."""
    import msgspec

    try:
        checked = msgspec.json.format(value, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"this is no JSON: {error}", 'Mind the shell: \'{"quoted": "so"}\'.') from None
    if module is not None:
        _check_type(checked, case, module)
    return checked


def _check_type(value: bytes, case: Case, module: str) -> None:
    from tidings.cli.run import find
    from tidings.events.declaration import types_in
    from tidings.events.serdes import DecodeError

    find(module)
    known = types_in(case.letter.id.stream)
    name = case.type or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        raise OperatorError(f"{module} declares no event {name or '(without a type)'!r} of {case.letter.id.stream}")
    try:
        known[name].decode(value)
    except DecodeError as error:
        raise OperatorError(str(error), "The value was not changed.") from None
