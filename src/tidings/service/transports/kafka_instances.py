"""Which transactional id a process has: its own, and the same again when it is started again.

A broker ends what a producer left undecided as soon as another comes with its transactional id; without that, readers
wait until the transaction's time is up. So ids are kept in files, `<state>/<service>/instances/<n>`, one for each
process of the service that runs on this machine: a process takes the first file that nobody holds (by `flock`, which
ends with the process), and the id that is in it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import uuid
from pathlib import Path

log = logging.getLogger("tidings.service")

INSTANCES_MAX = 1_000


class Instance:
    """The id of one process of a service, while it holds it."""

    def __init__(self, service: str, folder: Path | None) -> None:
        """Without a `folder`, or one that cannot be written, the id is new each time."""
        self._service = service
        self._file: int | None = None
        self.id = f"{service}-{self._take(folder) or uuid.uuid4()}"

    def _take(self, folder: Path | None) -> str | None:
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(INSTANCES_MAX):
                if self._hold(folder / str(number)):
                    return self._read_or_make()
        except OSError as error:
            log.warning("%s: no lasting id for transactions, so a crash holds readers up for a while: %s",
                        self._service, error)  # fmt: skip
        return None

    def _hold(self, path: Path) -> bool:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def _read_or_make(self) -> str:
        assert self._file is not None
        try:
            return str(uuid.UUID(os.pread(self._file, 64, 0).decode().strip()))
        except ValueError:  # new, or torn
            made = str(uuid.uuid4())
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{made}\n".encode(), 0)
            return made

    def renew(self) -> None:
        """Somebody else has the same id (a folder that was copied): another, for as long as this process lives."""
        self.id = f"{self._service}-{uuid.uuid4()}"

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
