from __future__ import annotations

from pathlib import Path

import pytest

from tidings.log.disk_files import DiskFiles
from tidings.log.files import Files
from tidings.log.memory_files import MemoryFiles


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest) -> Files:
    return DiskFiles() if request.param == "disk" else MemoryFiles()


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> str:
    """An empty folder of `files`, whose own name is on the disk."""
    path = str(tmp_path) if isinstance(files, DiskFiles) else "data"
    files.mkdir(path)
    files.sync_dir(".")
    return path
