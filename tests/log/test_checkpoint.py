from __future__ import annotations

import pytest

from tidings.errors import DiskError
from tidings.log.checkpoint import FILE_NAME, Checkpoint
from tidings.log.memory_files import MemoryFiles


def test_a_checkpoint_survives_a_power_cut() -> None:
    files = MemoryFiles()
    Checkpoint(12, 5000).write(files, ".")
    files.power_cut()
    assert Checkpoint.read(files, ".") == Checkpoint(12, 5000)


def test_there_need_not_be_one() -> None:
    assert Checkpoint.read(MemoryFiles(), ".") is None


def test_a_damaged_checkpoint_is_reported_at_every_bit() -> None:
    data = Checkpoint(12, 5000).encode()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        files = MemoryFiles()
        files.write(FILE_NAME, bytes(damaged), sync=False)
        with pytest.raises(DiskError, match="damaged"):
            Checkpoint.read(files, ".")
