"""The `tidings` command: one file per sub-command."""

from tidings.cli.app import main

__all__ = ["main"]
