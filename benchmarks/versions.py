"""What is compared, by version."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def tidings() -> str:
    """Its version, and the commit it is of where that is known."""
    commit = said("git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD")
    return f"{version('tidings')} ({commit.strip()})" if commit else version("tidings")


def said(*command: str) -> str:
    """What a command says; nothing if it is not there, or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""
