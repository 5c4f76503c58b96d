"""Files in memory that behave as a disk may at its worst: unsynced bytes and names vanish, writes tear, calls fail.

files = MemoryFiles()
files.inject = lambda operation, path: Fault(errno.EIO) if operation == "sync" else None
files.power_cut(random.Random(7))
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tidings.errors import DiskError, OperatorError
from tidings.log.files import File, Files, Lock, disk_error
from tidings.wire.primitives import Buffer


class Fault(NamedTuple):
    """What an operation fails with; of an append, how many bytes reach the file before it does."""

    errno: int
    bytes_written: int = 0


Injector = Callable[[str, str], Fault | None]
"""Given an operation ("append", "sync" …, as the methods are called) and a path, the fault it meets, if any."""


class MemoryFiles(Files):
    """A file system of its own. Thread-safe, as far as File promises."""

    def __init__(self, space_bytes: int | None = None) -> None:
        self.inject: Injector | None = None
        self.space_bytes = space_bytes
        self.used_bytes = 0
        self.age = 0  # power cuts so far: handles from before one are dead
        self._root = _Folder()
        self._locked: set[str] = set()
        self._guard = threading.RLock()

    def create(self, path: str) -> File:
        with self._guard:
            self.meet("create", path)
            folder, name = self._place("create", path)
            if name in folder.entries:
                raise disk_error("open", path, _os_error(errno.EEXIST))
            node = folder.entries[name] = _Node()
            return MemoryFile(self, path, node)

    def open(self, path: str) -> File:
        with self._guard:
            self.meet("open", path)
            return MemoryFile(self, path, self._node(path))

    def exists(self, path: str) -> bool:
        with self._guard:
            try:
                folder, name = self._place("find", path)
            except DiskError:
                return False
            return name in folder.entries

    def listdir(self, path: str) -> list[str]:
        with self._guard:
            self.meet("listdir", path)
            folder = self._folder(path)
            return sorted(folder.entries) if folder else []

    def mkdir(self, path: str) -> None:
        with self._guard:
            self.meet("mkdir", path)
            folder, name = self._place("make folder", path)
            folder.entries.setdefault(name, _Folder())

    def rename(self, old: str, new: str) -> None:
        with self._guard:
            self.meet("rename", old)
            source, old_name = self._place("rename", old)
            target, new_name = self._place("rename", new)
            if old_name not in source.entries:
                raise disk_error("rename", old, _os_error(errno.ENOENT))
            target.entries[new_name] = source.entries.pop(old_name)

    def remove(self, path: str) -> None:
        with self._guard:
            self.meet("remove", path)
            self.used_bytes -= len(self._node(path).data)
            folder, name = self._place("remove", path)
            del folder.entries[name]

    def rmdir(self, path: str) -> None:
        with self._guard:
            self.meet("rmdir", path)
            node = self._folder(path)
            if node is None or node.entries:
                raise disk_error("remove folder", path, _os_error(errno.ENOENT if node is None else errno.ENOTEMPTY))
            folder, name = self._place("remove folder", path)
            del folder.entries[name]

    def sync_dir(self, path: str) -> None:
        with self._guard:
            self.meet("sync_dir", path)
            folder = self._folder(path)
            if folder is None:
                raise disk_error("sync folder", path, _os_error(errno.ENOENT))
            folder.durable = dict(folder.entries)

    def lock(self, path: str) -> Lock:
        with self._guard:
            if path in self._locked:
                raise OperatorError(f"{path} is locked by another process", "Stop that one.")
            self._locked.add(path)
            return _MemoryLock(self._locked, path)

    def power_cut(self, chance: Random | None = None) -> None:
        """Forget what was not synced. With `chance`, each such thing may survive, whole or torn, or be forgotten."""
        with self._guard:
            self.age += 1
            self._locked.clear()
            self._root.cut(chance)
            self.used_bytes = sum(len(node.data) for node in self._root.nodes())

    # What tests do to a disk.

    def corrupt(self, path: str, position: int, data: bytes) -> None:
        """Let the disk hold something else at `position`, as if it had always been so."""
        node = self._node(path)
        node.data[position : position + len(data)] = data

    def cut_file(self, path: str, size: int) -> None:
        """Let the file be `size` bytes long, as if it had never been longer."""
        node = self._node(path)
        del node.data[size:]
        node.settle()

    # What MemoryFile calls.

    def meet(self, operation: str, path: str) -> None:
        fault = self.inject(operation, path) if self.inject else None
        if fault is not None:
            raise disk_error(operation, path, _os_error(fault.errno))

    def append_fault(self, path: str, bytes_wanted: int) -> Fault | None:
        fault = self.inject("append", path) if self.inject else None
        if fault is None and self.space_bytes is not None and self.used_bytes + bytes_wanted > self.space_bytes:
            fault = Fault(errno.ENOSPC, self.space_bytes - self.used_bytes)
        return fault

    def _node(self, path: str) -> _Node:
        folder, name = self._place("open", path)
        node = folder.entries.get(name)
        if not isinstance(node, _Node):
            raise disk_error("open", path, _os_error(errno.ENOENT))
        return node

    def _place(self, action: str, path: str) -> tuple[_Folder, str]:
        head, name = os.path.split(os.path.normpath(path))
        folder = self._folder(head)
        if folder is None:
            raise disk_error(action, path, _os_error(errno.ENOENT))
        return folder, name

    def _folder(self, path: str) -> _Folder | None:
        """The first level is there without being made: `mkdir` makes a folder in one that exists."""
        folder: _Folder | _Node | None = self._root
        for part in os.path.normpath(path).split("/"):
            if part not in ("", "."):
                folder = folder.entries.get(part) if isinstance(folder, _Folder) else None
        return folder if isinstance(folder, _Folder) else None


class MemoryFile:
    """A file of MemoryFiles."""

    def __init__(self, files: MemoryFiles, path: str, node: _Node) -> None:
        self.path = path
        self.size = len(node.data)
        self._files = files
        self._node = node
        self._age = files.age
        self._sync_failed = False

    def append(self, data: Buffer) -> int:
        with self._files._guard:
            self._must_live()
            fault = self._files.append_fault(self.path, len(data))
            written = data if fault is None else data[: fault.bytes_written]
            self._node.data += written
            self._files.used_bytes += len(written)
            if fault is not None:
                raise disk_error("write to", self.path, _os_error(fault.errno))
            position = self.size
            self.size += len(data)
            return position

    def pread(self, position: int, bytes_max: int) -> bytes:
        self._must_live()
        self._files.meet("pread", self.path)
        return bytes(memoryview(self._node.data)[position : position + bytes_max])

    def truncate(self, size: int) -> None:
        with self._files._guard:
            self._must_live()
            self._files.meet("truncate", self.path)
            self._files.used_bytes -= len(self._node.data) - size
            self._node.truncate(size)
            self.size = size

    def rename(self, path: str) -> None:
        with self._files._guard:
            self._must_live()
            self._files.rename(self.path, path)
            self.path = path

    def sync(self) -> None:
        self._must_live()
        try:
            if self._sync_failed:
                raise DiskError(f"an earlier sync of {self.path} failed")
            self._files.meet("sync", self.path)
        except DiskError:
            self._sync_failed = True
            raise
        with self._files._guard:
            self._node.settle()

    def close(self) -> None:
        pass

    def _must_live(self) -> None:
        if self._age != self._files.age:
            raise DiskError(f"{self.path} was opened before the power was cut")


class _Node:
    """What a file holds. On the disk are the first `stable` bytes of `data`, then `durable_tail`."""

    __slots__ = ("data", "durable_tail", "stable")

    def __init__(self) -> None:
        self.data = bytearray()
        self.stable = 0
        self.durable_tail = b""

    def truncate(self, size: int) -> None:
        if size < self.stable:
            self.durable_tail = bytes(self.data[size : self.stable]) + self.durable_tail
            self.stable = size
        del self.data[size:]

    def settle(self) -> None:
        self.stable = len(self.data)
        self.durable_tail = b""

    def cut(self, chance: Random | None) -> None:
        unsynced = bytes(self.data[self.stable :])
        survivors = self.durable_tail if chance is None else _torn(unsynced, self.durable_tail, chance)
        self.data = self.data[: self.stable] + survivors
        self.settle()


class _Folder:
    """Names, as they are and as they are on the disk."""

    __slots__ = ("durable", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, _Node | _Folder] = {}
        self.durable: dict[str, _Node | _Folder] = {}

    def cut(self, chance: Random | None) -> None:
        for name in sorted(self.entries.keys() | self.durable.keys()):
            if chance is not None and chance.random() < 0.5:
                continue  # this change of name had reached the disk
            if name in self.durable:
                self.entries[name] = self.durable[name]
            else:
                del self.entries[name]
        self.durable = dict(self.entries)
        for node in self.entries.values():
            node.cut(chance)

    def nodes(self) -> Iterator[_Node]:
        for node in self.entries.values():
            if isinstance(node, _Node):
                yield node
            else:
                yield from node.nodes()


class _MemoryLock:
    def __init__(self, locked: set[str], path: str) -> None:
        self._locked = locked
        self._path = path

    def close(self) -> None:
        self._locked.discard(self._path)


def _torn(unsynced: bytes, durable_tail: bytes, chance: Random) -> bytes:
    """What the disk may hold where `durable_tail` was to become `unsynced`: the old, the new, or a torn part of it."""
    kind = chance.randrange(4)
    if kind == 0:
        return durable_tail
    if kind == 1:
        return unsynced
    torn = unsynced[: chance.randint(0, len(unsynced))]
    return torn if kind == 2 else torn + bytes(len(unsynced) - len(torn))  # its size was written, its last pages not


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
