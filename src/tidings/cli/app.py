"""The `tidings` command line: finds the file of the sub-command asked for.

A sub-command `x` is the function `x` of `tidings.cli.x`; the module's `EXAMPLES` end its help, and its `SUBCOMMANDS`,
if it has any, are those of `x`: each with its function and its examples. Only the one asked for
is imported, and none imports more than Typer before it runs: what a broker does not need does not delay it.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

COMMANDS = ("demo", "up", "run", "relay", "streams", "tail", "emit", "groups", "dead", "trace", "topology")


class LazyGroup(TyperGroup):
    """Knows its commands by name, and imports one when it is asked for. `Any`: Typer keeps these types to itself."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return command(cmd_name) if cmd_name in COMMANDS else None


def command(name: str) -> Any:
    """The sub-command `name`, ready for Typer."""
    module = importlib.import_module(f"tidings.cli.{name}")
    function = getattr(module, name)
    made = typer.Typer(name=name, add_completion=False, no_args_is_help=hasattr(module, "SUBCOMMANDS"))
    if hasattr(module, "SUBCOMMANDS"):
        made.callback(**_documented(function, module.EXAMPLES))(function)
        for sub_name, (sub_function, examples) in module.SUBCOMMANDS.items():
            made.command(sub_name, **_documented(sub_function, examples))(sub_function)
    else:
        made.command(name, **_documented(function, module.EXAMPLES))(function)
    return typer.main.get_command(made)


def _documented(function: Any, examples: str) -> dict[str, Any]:
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return {
        "help": "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs),
        "epilog": f"Examples:\n{examples.strip()}",
    }


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
