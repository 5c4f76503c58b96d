"""What every implementation of Files promises."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tidings.errors import DiskError, OperatorError
from tidings.log.disk_files import DiskFiles
from tidings.log.files import Files, remove_tree


def test_appends_go_to_the_end_and_say_where(files: Files, folder: str) -> None:
    file = files.create(f"{folder}/a")
    assert file.append(b"one") == 0
    assert file.append(memoryview(bytearray(b"two"))) == 3
    assert file.size == 6
    assert file.pread(2, 3) == b"etw"
    file.close()


def test_a_read_past_the_end_is_short(files: Files, folder: str) -> None:
    files.write(f"{folder}/a", b"abc", sync=False)
    file = files.open(f"{folder}/a")
    assert file.pread(1, 100) == b"bc"
    assert file.pread(3, 100) == b""
    file.close()


def test_a_cut_file_goes_on_from_its_new_end(files: Files, folder: str) -> None:
    file = files.create(f"{folder}/a")
    file.append(b"abcdef")
    file.truncate(2)
    assert file.append(b"xy") == 2
    assert file.size == 4
    assert file.pread(0, 10) == b"abxy"
    file.sync()
    file.close()


def test_an_opened_file_has_its_size_and_can_be_appended_to(files: Files, folder: str) -> None:
    files.write(f"{folder}/a", b"abc", sync=True)
    file = files.open(f"{folder}/a")
    assert file.size == 3
    assert file.append(b"d") == 3
    file.close()
    assert files.read(f"{folder}/a") == b"abcd"


def test_write_replaces_the_whole_content(files: Files, folder: str) -> None:
    files.write(f"{folder}/a", b"long content", sync=True)
    files.write(f"{folder}/a", b"short", sync=False)
    assert files.read(f"{folder}/a") == b"short"
    assert files.listdir(folder) == ["a"]


def test_what_is_not_there_is_a_disk_error(files: Files, folder: str) -> None:
    for action in (files.open, files.remove, files.rmdir, files.sync_dir):
        with pytest.raises(DiskError):
            action(f"{folder}/missing")
    with pytest.raises(DiskError):
        files.rename(f"{folder}/missing", f"{folder}/b")
    with pytest.raises(DiskError):
        files.create(f"{folder}/missing/a")
    assert files.listdir(f"{folder}/missing") == []
    assert not files.exists(f"{folder}/missing/a")


def test_a_file_is_created_once(files: Files, folder: str) -> None:
    files.create(f"{folder}/a").close()
    with pytest.raises(DiskError):
        files.create(f"{folder}/a")


def test_folders_are_made_renamed_and_removed(files: Files, folder: str) -> None:
    files.mkdir(f"{folder}/p")
    files.mkdir(f"{folder}/p")
    files.write(f"{folder}/p/a", b"1", sync=True)
    with pytest.raises(DiskError):
        files.rmdir(f"{folder}/p")
    files.rename(f"{folder}/p", f"{folder}/q")
    files.sync_dir(folder)
    assert files.read(f"{folder}/q/a") == b"1"
    remove_tree(files, f"{folder}/q")
    assert files.listdir(folder) == []


def test_a_lock_keeps_others_out_until_let_go(files: Files, folder: str) -> None:
    lock = files.lock(f"{folder}/.lock")
    with pytest.raises(OperatorError):
        files.lock(f"{folder}/.lock")
    lock.close()
    files.lock(f"{folder}/.lock").close()


def test_files_on_disk_are_for_their_owner_only(tmp_path: Path) -> None:
    files = DiskFiles()
    files.mkdir(f"{tmp_path}/p")
    files.write(f"{tmp_path}/p/a", b"", sync=False)
    assert stat.S_IMODE(os.stat(tmp_path / "p").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(tmp_path / "p/a").st_mode) == 0o600


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DiskError):
        DiskFiles().read(f"{tmp_path}/link")


def _open_descriptors(folder: Path) -> int:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return sum(os.path.lexists(link) and os.readlink(link).startswith(str(folder)) for link in links)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_many_files_share_few_descriptors(tmp_path: Path) -> None:
    files = DiskFiles(descriptors_max=5)
    opened = [files.create(f"{tmp_path}/{number}") for number in range(40)]
    for turn in range(3):
        for file in opened:
            file.append(b"x")
            assert file.pread(0, 10) == b"x" * (turn + 1)
        assert _open_descriptors(tmp_path) <= 5
    for file in opened:
        file.sync()
        file.close()
    assert _open_descriptors(tmp_path) == 0


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at descriptors in /proc")
def test_files_used_in_turn_keep_most_of_their_descriptors(tmp_path: Path) -> None:
    """One file more than there are descriptors for, and not each is closed just before its turn."""
    files = DiskFiles(descriptors_max=50)
    paths = [f"{tmp_path}/{number}" for number in range(51)]
    opened = [files.create(path) for path in paths]
    kept = 0
    for _ in range(10):
        for path, file in zip(paths, opened, strict=True):
            kept += _is_open(path)
            file.append(b"x")
    assert kept > 9 * len(opened)
    for file in opened:
        file.close()


def _is_open(path: str) -> bool:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return any(os.path.lexists(link) and os.readlink(link) == path for link in links)
