"""Real files, readable by their owner only, and no more of them open than the process may have."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import threading
from contextlib import suppress

from tidings.errors import DiskError, OperatorError
from tidings.log.files import File, Files, Lock, disk_error, parent
from tidings.wire.primitives import Buffer

FOLDER_MODE = 0o700
FILE_MODE = 0o600

DESCRIPTORS_MAX = 1 << 20
"""Where there is no limit to how many a process may have."""
LOOKED_AT_MAX = 16
"""How many open files are looked at for one that was not used lately."""

_OPEN_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as its hard limit says: the soft one is often 1,024, for `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # macOS has a lower limit than the one it tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _descriptor_limit() -> int:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return DESCRIPTORS_MAX if limit == resource.RLIM_INFINITY else limit


class DiskFiles(Files):
    """Real files, readable by their owner only.

    At most `descriptors_max` files are open at a time (default: three quarters of what the process may have; the rest
    is for connections). Beyond that a file that has not been used lately gives up its descriptor, and gets a new one
    when it is used again.
    """

    def __init__(self, descriptors_max: int | None = None) -> None:
        self._descriptors_max = descriptors_max or _descriptor_limit() * 3 // 4
        self._opened: dict[DiskFile, None] = {}  # in the order of their last look-over
        self._lock = threading.Lock()

    def create(self, path: str) -> File:
        file = DiskFile(self, path, 0)
        file.acquire_descriptor(_OPEN_FLAGS | os.O_CREAT | os.O_EXCL)
        return file

    def open(self, path: str) -> File:
        try:
            return DiskFile(self, path, os.stat(path, follow_symlinks=False).st_size)
        except OSError as error:
            raise disk_error("open", path, error) from error

    def exists(self, path: str) -> bool:
        return os.path.lexists(path)

    def listdir(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise disk_error("list", path, error) from error

    def mkdir(self, path: str) -> None:
        try:
            os.mkdir(path, FOLDER_MODE)
        except FileExistsError:
            return
        except OSError as error:
            raise disk_error("make folder", path, error) from error

    def rename(self, old: str, new: str) -> None:
        try:
            os.rename(old, new)
        except OSError as error:
            raise disk_error("rename", old, error) from error

    def remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except OSError as error:
            raise disk_error("remove", path, error) from error

    def rmdir(self, path: str) -> None:
        try:
            os.rmdir(path)
        except OSError as error:
            raise disk_error("remove folder", path, error) from error

    def sync_dir(self, path: str) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise disk_error("sync folder", path, error) from error

    def lock(self, path: str) -> Lock:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise disk_error("open", path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise OperatorError(
                f"{parent(path)} is in use by another process", "Stop that one, or choose another folder."
            ) from error
        return _DiskLock(fd)

    # What DiskFile calls.

    def opened(self, file: DiskFile) -> None:
        """`file` has got a descriptor; let others give theirs up if there are too many."""
        with self._lock:
            self._opened[file] = None
            if len(self._opened) > self._descriptors_max:
                self._reclaim(len(self._opened) - self._descriptors_max)

    def reclaim_one(self) -> bool:
        with self._lock:
            return self._reclaim(1)

    def closed(self, file: DiskFile) -> None:
        with self._lock:
            self._opened.pop(file, None)

    def _reclaim(self, count: int) -> bool:
        """Close `count` files that were not used since they were looked at last ("second chance").

        Where many are looked at in vain, all are in use, perhaps in turn: then which one is closed matters little, and
        to go on looking for the one unused longest would close each just before its turn.
        """
        in_vain = 0
        for _ in range(2 * len(self._opened)):
            file = next(iter(self._opened))
            del self._opened[file]
            if file.give_up_descriptor(even_if_used=in_vain >= LOOKED_AT_MAX):
                in_vain = 0
                count -= 1
                if count == 0:
                    return True
            else:
                in_vain += 1
                self._opened[file] = None
        return False


class DiskFile:
    """A file of DiskFiles. The lock guards the descriptor; a sync only pins it, so that appends need not wait."""

    __slots__ = ("_fd", "_files", "_lock", "_pins", "_recently_used", "_sync_failed", "_unsynced", "path", "size")

    def __init__(self, files: DiskFiles, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self._files = files
        self._fd = -1
        self._lock = threading.Lock()
        self._pins = 0
        self._recently_used = True
        self._unsynced = True  # for all we know: another process may have written to it and been killed
        self._sync_failed = False

    def append(self, data: Buffer) -> int:
        with self._lock:
            fd = self._fd if self._fd >= 0 else self.acquire_descriptor(_OPEN_FLAGS)
            position = self.size
            self._recently_used = self._unsynced = True
            try:
                written = os.write(fd, data)
                if written != len(data):
                    written += _write_rest(fd, memoryview(data)[written:])
            except OSError as error:
                raise disk_error("write to", self.path, error) from error
            self.size = position + written
            return position

    def pread(self, position: int, bytes_max: int) -> bytes:
        with self._lock:
            fd = self._descriptor()
            try:
                data = os.pread(fd, bytes_max, position)
                while len(data) < bytes_max and position + len(data) < self.size:
                    more = os.pread(fd, bytes_max - len(data), position + len(data))
                    if not more:
                        break
                    data += more
            except OSError as error:
                raise disk_error("read", self.path, error) from error
            return data

    def truncate(self, size: int) -> None:
        with self._lock:
            fd = self._descriptor()
            try:
                self._unsynced = True
                os.ftruncate(fd, size)
            except OSError as error:
                raise disk_error("cut", self.path, error) from error
            self.size = size

    def rename(self, path: str) -> None:
        with self._lock:
            self._files.rename(self.path, path)
            self.path = path

    def sync(self) -> None:
        with self._lock:
            if self._sync_failed:
                raise DiskError(f"an earlier sync of {self.path} failed")
            if not self._unsynced:
                return
            fd = self._descriptor()
            self._pins += 1
            self._unsynced = False
        try:
            _sync(fd)
        except OSError as error:
            self._sync_failed = True
            raise disk_error("sync", self.path, error) from error
        finally:
            with self._lock:
                self._pins -= 1
                if self._pins == 0 and self._fd != fd:
                    os.close(fd)  # `close` left it to us

    def close(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0 and self._pins == 0:
                os.close(fd)
        self._files.closed(self)

    def acquire_descriptor(self, flags: int) -> int:
        try:
            try:
                fd = os.open(self.path, flags, FILE_MODE)
            except OSError:
                if not self._files.reclaim_one():
                    raise
                fd = os.open(self.path, flags, FILE_MODE)
        except OSError as error:
            raise disk_error("open", self.path, error) from error
        self._fd = fd
        self._files.opened(self)
        return fd

    def give_up_descriptor(self, *, even_if_used: bool) -> bool:
        """Close it unless it is in use or was lately. What would be forgotten with it is synced first."""
        if self._recently_used and not even_if_used:
            self._recently_used = False
            return False
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._pins or self._fd < 0:
                return self._fd < 0
            if self._unsynced:
                try:
                    _sync(self._fd)
                    self._unsynced = False
                except OSError:
                    self._sync_failed = True
            os.close(self._fd)
            self._fd = -1
            return True
        finally:
            self._lock.release()

    def _descriptor(self) -> int:
        self._recently_used = True
        fd = self._fd
        return fd if fd >= 0 else self.acquire_descriptor(_OPEN_FLAGS)


class _DiskLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write_rest(fd: int, rest: memoryview) -> int:
    """The kernel took less than it was given: a full disk, or a very large write. The next call says which."""
    written = 0
    while written < len(rest):
        written += os.write(fd, rest[written:])
    return written


def _sync(fd: int) -> None:
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync there leaves data in the drive's cache
    else:
        os.fdatasync(fd)
