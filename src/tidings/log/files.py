"""The only door to the disk: `disk_files` is the real one; `memory_files` can fail, tear and forget.

Files are only ever appended to, cut at the end, or replaced whole. Whatever the disk refuses is raised as DiskError.
"""

from __future__ import annotations

import os
from typing import Protocol

from tidings.errors import DiskError
from tidings.wire.primitives import Buffer

TEMPORARY = ".tmp"
"""Ends the name of a file whose content is not complete. Whoever finds one may remove it."""


class File(Protocol):
    """One file. `append`, `truncate` and `close` are called by one thread at a time; `sync` and `pread` by any."""

    path: str
    size: int  # bytes; what a failed append may have left behind is not counted

    def append(self, data: Buffer) -> int:
        """Write `data` at the end and return the position of its first byte.

        After a DiskError part of it may be there: `truncate` to `size` before anything else is appended.
        """
        ...

    def pread(self, position: int, bytes_max: int) -> bytes:
        """Up to `bytes_max` bytes; fewer only where the file ends."""
        ...

    def truncate(self, size: int) -> None: ...

    def rename(self, path: str) -> None:
        """Have another name, taking the place of a file that has it; whoever has that one open still reads it."""
        ...

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk.

        A DiskError is final: what was appended since the last success may be lost, whatever a later sync would say
        (the kernel forgets it), so every later sync fails as well.
        """
        ...

    def close(self) -> None:
        """Give the descriptor back. Nothing is synced."""
        ...


class Lock(Protocol):
    def close(self) -> None:
        """Let go."""
        ...


class Files(Protocol):
    """A file system. Paths are strings with `/` between their parts."""

    def create(self, path: str) -> File:
        """A new, empty file; a DiskError if there is one."""
        ...

    def open(self, path: str) -> File:
        """A file that exists."""
        ...

    def exists(self, path: str) -> bool: ...

    def listdir(self, path: str) -> list[str]:
        """Names in a folder, sorted; none if there is no folder."""
        ...

    def mkdir(self, path: str) -> None:
        """Make a folder, in one that exists; nothing happens if it is there."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Move a file or folder; a file takes the place of one that is there."""
        ...

    def remove(self, path: str) -> None: ...

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        ...

    def sync_dir(self, path: str) -> None:
        """Return once the names in the folder are on the disk: what was created, renamed, removed."""
        ...

    def lock(self, path: str) -> Lock:
        """Keep every other process out until closed or until this process ends. OperatorError if one is in."""
        ...

    def read(self, path: str) -> bytes:
        """A whole small file."""
        file = self.open(path)
        try:
            return file.pread(0, file.size)
        finally:
            file.close()

    def write(self, path: str, data: Buffer, *, sync: bool, sync_name: bool = True) -> None:
        """Replace a whole small file: a reader finds the old content or the new.

        With `sync` it is on the disk; but for its name, if the caller says that it will sync the folder itself.
        """
        temporary = path + TEMPORARY
        if self.exists(temporary):
            self.remove(temporary)
        file = self.create(temporary)
        try:
            file.append(data)
            if sync:
                file.sync()
        finally:
            file.close()
        self.rename(temporary, path)
        if sync and sync_name:
            self.sync_dir(parent(path))


def parent(path: str) -> str:
    return os.path.dirname(path) or "."


def remove_tree(files: Files, path: str) -> None:
    """Remove a folder and the files in it."""
    for name in files.listdir(path):
        files.remove(f"{path}/{name}")
    files.rmdir(path)


def disk_error(action: str, path: str, error: OSError) -> DiskError:
    return DiskError(f"cannot {action} {path}: {error.strerror or error}")
