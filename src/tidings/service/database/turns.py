"""One relay at a time for each service, in whatever process: that is what keeps the order of its outbox.

Two that took turns with the rows (SKIP LOCKED) would publish two rows of one key side by side.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, BigInteger, bindparam, func, select

from tidings.service.database.engines import Held
from tidings.service.database.locks import Locks


class Turn(Protocol):
    async def take(self, held: Held) -> bool:
        """Whether it is ours now, for as long as the connection `held` lasts."""

    def give_back(self) -> None: ...


class AdvisoryTurn:
    """A lock of the session in PostgreSQL. The connection that reads and deletes is the one that has it: when that is
    lost, nothing more can be done in the name of the lock, and somebody else can have it at once."""

    def __init__(self, locks: Locks) -> None:
        self._take = select(func.pg_try_advisory_lock(bindparam("key", locks.relay, BigInteger)))

    async def take(self, held: Held) -> bool:
        return bool(await held.run(lambda connection: connection.execute(self._take).scalar()))

    def give_back(self) -> None:
        """It goes with its connection."""


class FileTurn:
    """A lock of the operating system, on a file beside the one of SQLite: it ends with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    async def take(self, held: Held) -> bool:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def turn_of(service: str, url: URL, locks: Locks) -> Turn:
    if url.get_backend_name() == "postgresql":
        return AdvisoryTurn(locks)
    return FileTurn(Path(f"{(url.database or '').removeprefix('file:').partition('?')[0]}.{service}.relay"))
