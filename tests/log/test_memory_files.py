"""A disk at its worst."""

from __future__ import annotations

import errno
from random import Random

import pytest

from tidings.errors import DiskError
from tidings.log.memory_files import Fault, MemoryFiles


def _file_with(files: MemoryFiles, path: str, data: bytes) -> None:
    file = files.create(path)
    file.append(data)
    file.sync()


def test_unsynced_bytes_vanish_in_a_power_cut() -> None:
    files = MemoryFiles()
    file = files.create("a")
    files.sync_dir(".")
    file.append(b"kept")
    file.sync()
    file.append(b" lost")
    files.power_cut()
    assert files.read("a") == b"kept"
    with pytest.raises(DiskError):
        file.append(b"from before the cut")


def test_a_name_that_was_not_synced_vanishes_with_its_synced_bytes() -> None:
    files = MemoryFiles()
    _file_with(files, "a", b"x")
    files.power_cut()
    assert not files.exists("a")


def test_a_rename_that_was_not_synced_is_undone() -> None:
    files = MemoryFiles()
    _file_with(files, "a", b"old")
    files.sync_dir(".")
    _file_with(files, "b", b"new")
    files.rename("b", "a")
    assert files.read("a") == b"new"
    files.power_cut()
    assert files.read("a") == b"old"
    assert not files.exists("b")


def test_a_removed_file_comes_back_unless_its_folder_was_synced() -> None:
    files = MemoryFiles()
    _file_with(files, "a", b"x")
    files.sync_dir(".")
    files.remove("a")
    files.power_cut()
    assert files.read("a") == b"x"


def test_a_cut_that_was_not_synced_is_undone() -> None:
    files = MemoryFiles()
    file = files.create("a")
    files.sync_dir(".")
    file.append(b"abcdef")
    file.sync()
    file.truncate(2)
    file.append(b"XY")
    assert files.read("a") == b"abXY"
    files.power_cut()
    assert files.read("a") == b"abcdef"


def test_with_chance_unsynced_bytes_survive_whole_torn_or_not() -> None:
    seen = set()
    for seed in range(200):
        files = MemoryFiles()
        file = files.create("a")
        file.append(b"AAAA")
        file.sync()
        files.sync_dir(".")
        file.append(b"BBBB")
        files.power_cut(Random(seed))
        seen.add(files.read("a"))
    assert {b"AAAA", b"AAAABBBB", b"AAAABB", b"AAAABB\0\0"} <= seen
    assert all(data.startswith(b"AAAA") for data in seen)


def test_a_fault_may_leave_part_of_a_write() -> None:
    files = MemoryFiles()
    file = files.create("a")
    files.inject = lambda operation, path: Fault(errno.EIO, 2) if operation == "append" else None
    with pytest.raises(DiskError, match="write to a: Input/output error"):
        file.append(b"abcd")
    assert file.size == 0
    assert files.read("a") == b"ab"


def test_a_failed_sync_is_never_made_good_by_another() -> None:
    files = MemoryFiles()
    file = files.create("a")
    file.append(b"x")
    files.inject = lambda operation, path: Fault(errno.EIO) if operation == "sync" else None
    with pytest.raises(DiskError):
        file.sync()
    files.inject = None
    with pytest.raises(DiskError):
        file.sync()


def test_a_full_disk_takes_what_fits_and_recovers_when_there_is_space() -> None:
    files = MemoryFiles(space_bytes=6)
    file = files.create("a")
    file.append(b"abcd")
    with pytest.raises(DiskError, match="No space left"):
        file.append(b"efgh")
    assert files.used_bytes == 6
    file.truncate(4)
    files.space_bytes = 100
    assert file.append(b"efgh") == 4
    files.remove("a")
    assert files.used_bytes == 0
