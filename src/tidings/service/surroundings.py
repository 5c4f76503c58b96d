"""What a service takes from the world around it. Tests put it into another one (`tidings.testing.world`)."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidings.events.ids import NewId, new_id
from tidings.service.clock import Clock
from tidings.service.connection import OpenTransport
from tidings.service.tables.following import InThread

STATE_FOLDER = "tidings-state"


def state_folder() -> Path:
    """Where services keep their tables: $TIDINGS_STATE, by default a folder where the program was started."""
    return Path(os.environ.get("TIDINGS_STATE") or STATE_FOLDER)


@dataclass(frozen=True, slots=True)
class Surroundings:
    open_transport: OpenTransport
    clock: Clock
    state_folder: Callable[[], Path] = state_folder
    """Each service has a folder of its own in it."""
    new_id: NewId = new_id
    chance: Callable[[], float] = random.random
    """A number from 0 up to 1: what spreads retries."""
    in_thread: InThread = asyncio.to_thread
    """How tables write to their files."""
    processes: bool = True
    """Whether handlers that want a process of their own get one; else they run in a thread."""
