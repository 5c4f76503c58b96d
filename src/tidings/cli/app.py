"""The `tidings` command itself: finds the file of the sub-command asked for, and tells errors in one line.

A sub-command `x` is the function `x` of `tidings.cli.x`; the module's `EXAMPLES` end its help. Only the one asked for
is imported, and none imports more than Typer before it runs: what a broker does not need does not delay it.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tidings.errors import DeclarationError, OperatorError, UnavailableError

COMMANDS = ("demo", "up", "run", "streams", "tail", "emit", "groups", "trace")

EXIT_OPERATOR_ERROR = 2
EXIT_INTERRUPTED = 130


class LazyGroup(TyperGroup):
    """Knows its commands by name, and imports one when it is asked for. `Any`: Typer keeps these types to itself."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return command(cmd_name) if cmd_name in COMMANDS else None


def command(name: str) -> Any:
    """The sub-command `name`, ready for Typer."""
    module = importlib.import_module(f"tidings.cli.{name}")
    single = typer.Typer(add_completion=False)
    examples = "\n".join(f"  {line}" for line in module.EXAMPLES.strip().splitlines())
    single.command(name, epilog=f"Examples:\n{examples}")(getattr(module, name))
    return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tidings {version('tidings')}")
        raise typer.Exit


@app.callback(epilog="Start with:\n  tidings demo")
def tidings(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Event-driven architecture, complete: a durable broker, services, and eyes for what flows between them."""


def main() -> None:
    """Run the command line. What a person can mend is one line and a way out, never a traceback."""
    try:
        app(prog_name="tidings")
    except OperatorError as error:
        _give_up(str(error), error.way_out)
    except UnavailableError as error:
        _give_up(str(error), "Start a broker with `tidings up`, or name another with --url or TIDINGS_URL.")
    except DeclarationError as error:
        _give_up(str(error), "")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left (`tidings tail orders | head`); Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _give_up(message: str, way_out: str) -> None:
    print(f"tidings: {message}" + (f"\n  {way_out}" if way_out else ""), file=sys.stderr)
    sys.exit(EXIT_OPERATOR_ERROR)
