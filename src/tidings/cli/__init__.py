"""The `tidings` command: one file per sub-command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Nothing is imported here that the command asked for does not need."""
    from tidings.cli.failures import told_in_one_line

    with told_in_one_line():
        if sys.argv[1:2] == ["up"]:
            from tidings.cli.serving import plain_arguments, serve

            given = plain_arguments(sys.argv[2:])
            if given is not None:
                serve(**given)
                return
        from tidings.cli.app import app

        app(prog_name="tidings")
