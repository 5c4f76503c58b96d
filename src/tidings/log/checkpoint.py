"""The two offsets of a partition that its segments do not tell, in the small file `offset-checkpoint`:

    0                               the version of the format
    log-start-offset 1200           nothing before it is served any more (DeleteRecords, retention)
    recovery-point-offset 5000      everything before it is on the disk; after a crash, what follows is verified
    crc32c 1b2f39c4                 of the lines above

Kafka keeps these in two files per data folder; here a partition's folder is complete in itself.
"""

from __future__ import annotations

from typing import NamedTuple

from tidings.errors import DiskError
from tidings.log.files import Files
from tidings.wire.checksum import crc32c

FILE_NAME = "offset-checkpoint"


class Checkpoint(NamedTuple):
    log_start_offset: int = 0
    recovery_point: int = 0

    def encode(self) -> bytes:
        text = f"0\nlog-start-offset {self.log_start_offset}\nrecovery-point-offset {self.recovery_point}\n".encode()
        return text + f"crc32c {crc32c(text):08x}\n".encode()

    def write(self, files: Files, folder: str) -> None:
        """On the disk when this returns."""
        files.write(f"{folder}/{FILE_NAME}", self.encode(), sync=True)

    @classmethod
    def read(cls, files: Files, folder: str) -> Checkpoint | None:
        """None if there is none. Raises DiskError if it is damaged: guessing might bring back what was deleted."""
        path = f"{folder}/{FILE_NAME}"
        if not files.exists(path):
            return None
        data = files.read(path)
        try:
            _, start, recovery, _ = data.decode("ascii").splitlines()
            checkpoint = cls(int(start.split(" ")[1]), int(recovery.split(" ")[1]))
        except (ValueError, IndexError):
            checkpoint = None
        if checkpoint is None or checkpoint.encode() != data:
            raise DiskError(f"{path} is damaged; without the file, the partition begins at its first segment")
        return checkpoint
