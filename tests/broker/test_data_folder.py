"""The data folder: whose it is, who has it, whether it was left in order."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tidings.broker.catalog.data_folder import DataFolder, id_bytes, id_text, new_id
from tidings.errors import OperatorError
from tidings.log.disk_files import DiskFiles
from tidings.log.memory_files import MemoryFiles


def open_folder(files: MemoryFiles, node_id: int = 1) -> DataFolder:
    return DataFolder.open(files, "data", node_id=node_id)


def test_new_folder_is_made_and_counts_as_clean() -> None:
    files = MemoryFiles()
    folder = open_folder(files)
    assert folder.was_clean
    assert files.listdir("data") == ["meta.properties"]
    assert len(id_bytes(folder.cluster_id)) == 16


def test_cluster_id_is_kept() -> None:
    files = MemoryFiles()
    first = open_folder(files)
    first.close(clean=True)
    assert open_folder(files).cluster_id == first.cluster_id


def test_cluster_id_survives_power_cut() -> None:
    files = MemoryFiles()
    first = open_folder(files)
    files.power_cut()
    again = open_folder(files)
    assert again.cluster_id == first.cluster_id
    assert not again.was_clean


def test_clean_stop_is_remembered_once() -> None:
    files = MemoryFiles()
    open_folder(files).close(clean=True)
    again = open_folder(files)
    assert again.was_clean
    files.power_cut()
    assert not open_folder(files).was_clean


def test_stop_with_faults_is_not_clean() -> None:
    files = MemoryFiles()
    open_folder(files).close(clean=False)
    assert not open_folder(files).was_clean


def test_folder_cut_off_while_it_was_made_can_be_opened() -> None:
    for operations in range(20):
        files = MemoryFiles()
        left = iter(range(operations))

        def cut(operation: str, path: str, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise InterruptedError

        files.inject = cut
        with suppress(InterruptedError):
            open_folder(files)
        files.inject = None
        files.power_cut()
        open_folder(files).close(clean=True)
        assert open_folder(files).was_clean


def test_folder_in_use_is_refused() -> None:
    files = MemoryFiles()
    folder = open_folder(files)
    with pytest.raises(OperatorError):
        open_folder(files)
    folder.close(clean=True)
    open_folder(files)


def test_lock_keeps_out_a_second_broker_on_a_real_disk(tmp_path: Path) -> None:
    folder = DataFolder.open(DiskFiles(), str(tmp_path / "data"), node_id=1)
    before = sorted(path.name for path in (tmp_path / "data").iterdir())
    with pytest.raises(OperatorError, match="in use"):
        DataFolder.open(DiskFiles(), str(tmp_path / "data"), node_id=1)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == before
    folder.close(clean=True)


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    folder = DataFolder.open(DiskFiles(), str(tmp_path / "deep" / "data"), node_id=1)
    folder.close(clean=True)
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "deep" / "data" / "meta.properties").stat().st_mode & 0o777 == 0o600


def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a letter")
    with pytest.raises(OperatorError) as refusal:
        DataFolder.open(DiskFiles(), str(tmp_path / "data"), node_id=1)
    assert refusal.value.way_out
    assert (tmp_path / "data").read_text() == "a letter"


def test_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mother.txt").write_text("dear")
    with pytest.raises(OperatorError, match=r"mother\.txt"):
        DataFolder.open(DiskFiles(), str(tmp_path / "letters"), node_id=1)
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["mother.txt"]


def test_folder_of_an_apache_kafka_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text("#\nversion=1\nnode.id=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\n")
    with pytest.raises(OperatorError, match="Apache Kafka"):
        DataFolder.open(DiskFiles(), str(tmp_path), node_id=1)
    assert [path.name for path in tmp_path.iterdir()] == ["meta.properties"]


def test_damaged_description_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_bytes(bytes(64))
    with pytest.raises(OperatorError, match="damaged"):
        DataFolder.open(DiskFiles(), str(tmp_path), node_id=1)


def test_folder_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text("tidings.format=2\nversion=1\nnode.id=1\ncluster.id=x\n")
    with pytest.raises(OperatorError, match="format 2"):
        DataFolder.open(DiskFiles(), str(tmp_path), node_id=1)
    assert [path.name for path in tmp_path.iterdir()] == ["meta.properties"]


def test_folder_of_another_node_is_refused_and_not_kept_locked() -> None:
    files = MemoryFiles()
    open_folder(files, node_id=1).close(clean=True)
    with pytest.raises(OperatorError, match="node 1"):
        open_folder(files, node_id=2)
    assert open_folder(files, node_id=1).was_clean


def test_disk_that_refuses_is_the_operators_matter() -> None:
    files = MemoryFiles(space_bytes=10)
    with pytest.raises(OperatorError):
        open_folder(files)


def test_ids_are_shown_as_kafka_shows_them() -> None:
    assert id_text(bytes(16)) == "AAAAAAAAAAAAAAAAAAAAAA"
    for _ in range(200):
        fresh = new_id()
        assert id_bytes(id_text(fresh)) == fresh
        assert not id_text(fresh).startswith("-")
