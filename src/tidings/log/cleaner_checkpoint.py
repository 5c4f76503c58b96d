"""What compaction has done to a partition, in the small file `cleaner-offset-checkpoint`:

    0                            the version of the format
    clean-to-offset 5000         before it, each key is there once
    gaps-to-offset 6000          before it, offsets may be missing; behind it, a missing offset is damage
    swapping 1                   segments are being replaced: some that are there may be no longer valid
    crc32c 1b2f39c4              of the lines above

There is none in the folder of a partition that was never compacted. Kafka keeps the first number of all partitions in
one file of this name; here a partition's folder is complete in itself.
"""

from __future__ import annotations

from typing import NamedTuple

from tidings.errors import DiskError
from tidings.log.files import Files
from tidings.wire.checksum import crc32c

FILE_NAME = "cleaner-offset-checkpoint"


class CleanerCheckpoint(NamedTuple):
    clean_to: int = 0
    gaps_to: int = 0
    swapping: bool = False

    def encode(self) -> bytes:
        text = f"0\nclean-to-offset {self.clean_to}\ngaps-to-offset {self.gaps_to}\nswapping {self.swapping:d}\n"
        return text.encode() + f"crc32c {crc32c(text.encode()):08x}\n".encode()

    def write(self, files: Files, folder: str) -> None:
        """On the disk when this returns."""
        files.write(f"{folder}/{FILE_NAME}", self.encode(), sync=True)

    @classmethod
    def read(cls, files: Files, folder: str) -> CleanerCheckpoint:
        """Raises DiskError if it is damaged: without it nobody can tell a gap from a loss."""
        path = f"{folder}/{FILE_NAME}"
        if not files.exists(path):
            return cls()
        data = files.read(path)
        try:
            _, clean, gaps, swapping, _ = [line.rpartition(" ")[2] for line in data.decode("ascii").splitlines()]
            checkpoint = cls(int(clean), int(gaps), swapping == "1")
        except ValueError:
            checkpoint = None
        if checkpoint is None or checkpoint.encode() != data:
            raise DiskError(f"{path} is damaged: which offsets compaction took out cannot be told")
        return checkpoint
