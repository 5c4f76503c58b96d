"""What a partition's folder holds besides segments: the checkpoint, producers' snapshots, leader epochs."""

from __future__ import annotations

import threading

from tidings.log.checkpoint import Checkpoint
from tidings.log.epochs import Epochs
from tidings.log.files import Files
from tidings.log.segment import SNAPSHOT, TXN_INDEX, file_name

EPOCHS_FILE = "leader-epoch-checkpoint"
SNAPSHOTS_KEPT = 2


class SideFiles:
    """Writes them. Used by the thread that syncs and by the one that appends. All methods raise DiskError."""

    def __init__(self, files: Files, folder: str, checkpoint: Checkpoint) -> None:
        self._files = files
        self._folder = folder
        self._checkpoint = checkpoint
        self._writing = threading.Lock()

    def record(self, offset: int, producers: bytes, epochs: Epochs) -> None:
        """All before `offset` is on the disk, and these are the producers there: recovery may begin there."""
        if epochs.changed:
            epochs.changed = False
            self._files.write(f"{self._folder}/{EPOCHS_FILE}", epochs.encode(), sync=True, sync_name=False)
        self._write_snapshot(offset, producers)
        self._move(Checkpoint(-1, offset))  # this syncs the names as well
        for old in snapshot_offsets(self._files.listdir(self._folder))[:-SNAPSHOTS_KEPT]:
            self._files.remove(f"{self._folder}/{file_name(old, SNAPSHOT)}")

    def keep_producers(self, offset: int, producers: bytes) -> None:
        """Segments up to `offset` are about to be removed: then only the snapshot knows their producers."""
        self._write_snapshot(offset, producers)
        self._files.sync_dir(self._folder)

    def write_txn_index(self, base_offset: int, entries: bytes) -> None:
        """The aborted transactions of one segment; a snapshot, written next, says how to check them."""
        self._files.write(f"{self._folder}/{file_name(base_offset, TXN_INDEX)}", entries, sync=True, sync_name=False)

    def begin_at(self, log_start_offset: int) -> int:
        """Let nothing before be served, from now on; returns where the log begins."""
        return self._move(Checkpoint(log_start_offset, -1)).log_start_offset

    def _write_snapshot(self, offset: int, producers: bytes) -> None:
        self._files.write(f"{self._folder}/{file_name(offset, SNAPSHOT)}", producers, sync=True, sync_name=False)

    def _move(self, wanted: Checkpoint) -> Checkpoint:
        """Neither offset goes back."""
        with self._writing:
            known = self._checkpoint
            checkpoint = Checkpoint(*map(max, known, wanted))
            if checkpoint != known:
                checkpoint.write(self._files, self._folder)
                self._checkpoint = checkpoint
            return checkpoint


def snapshot_offsets(names: list[str]) -> list[int]:
    """The offsets that producer snapshots are of, ascending."""
    return sorted(offset_of(name) for name in names if name.endswith(SNAPSHOT) and offset_of(name) >= 0)


def offset_of(name: str) -> int:
    """What the name of a segment or snapshot says, or -1."""
    digits = name.partition(".")[0]
    return int(digits) if len(digits) == 20 and digits.isascii() and digits.isdecimal() else -1
