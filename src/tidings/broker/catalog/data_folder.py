"""The folder all data lies in: whose it is, who is using it, and whether it was left in order.

`meta.properties` names the cluster and the node, as Apache Kafka's does, and the format of the folder. `.lock` is held
while a broker runs. `clean-shutdown` is there from an orderly stop to the next start, and lets that start trust every
file to its end. Where a folder does not fit, nothing is written into it.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from tidings.errors import DiskError, OperatorError
from tidings.log.files import TEMPORARY, Files, Lock, parent

FORMAT_VERSION = 1
"""Raised when an older Tidings could no longer read what a newer one wrote."""

META_FILE = "meta.properties"
LOCK_FILE = ".lock"
CLEAN_SHUTDOWN_FILE = "clean-shutdown"
_FORMAT_KEY = "tidings.format"
_MAY_BE_IN_A_NEW_FOLDER = {LOCK_FILE, META_FILE + TEMPORARY, "lost+found", ".DS_Store"}


def new_id() -> bytes:
    """A random id for a topic or a cluster. Like Kafka's, its text never begins with a dash, which tools misread."""
    while True:
        fresh = uuid.uuid4().bytes
        if not id_text(fresh).startswith("-"):
            return fresh


def id_text(raw: bytes) -> str:
    """An id as Kafka shows it: base64 for URLs, unpadded."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def id_bytes(text: str) -> bytes:
    """What `id_text` shows. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(slots=True)
class DataFolder:
    """An open folder: no other broker can open it until `close`."""

    files: Files
    path: str
    cluster_id: str
    was_clean: bool
    """Whether the last broker here stopped in order. A new folder counts as clean: there is nothing to check."""
    _lock: Lock

    @classmethod
    def open(cls, files: Files, path: str, *, node_id: int, make_id: Callable[[], bytes] = new_id) -> DataFolder:
        """Take the folder, making it if need be. Raises OperatorError if it does not fit."""
        try:
            _make_folders(files, path)
            names = files.listdir(path)
            _must_be_ours(files, path, names)
            lock = files.lock(f"{path}/{LOCK_FILE}")
            try:
                cluster_id = _read_or_write_meta(files, path, node_id, make_id)
                was_clean = _take_clean_mark(files, path, is_new=META_FILE not in names)
            except BaseException:
                lock.close()
                raise
        except DiskError as error:
            raise OperatorError(
                f"the data folder cannot be used: {error}", "Make it a folder this user may write to, or name another."
            ) from error
        return cls(files, path, cluster_id, was_clean, lock)

    def close(self, *, clean: bool) -> None:
        """Let go of the folder. `clean` says that everything in it is synced."""
        try:
            if clean:
                self.files.write(f"{self.path}/{CLEAN_SHUTDOWN_FILE}", b"", sync=True)
        finally:
            self._lock.close()


def _make_folders(files: Files, path: str) -> None:
    """Make the folder and those above it that are missing, each with its name on the disk."""
    missing = []
    while not files.exists(path):
        missing.append(path)
        if parent(path) == path:
            break
        path = parent(path)
    for folder in reversed(missing):
        files.mkdir(folder)
        files.sync_dir(parent(folder))


def _must_be_ours(files: Files, path: str, names: list[str]) -> None:
    other = "Name an empty folder, or one that does not exist yet."
    if META_FILE in names:
        found = _properties(files.read(f"{path}/{META_FILE}"))
        if _FORMAT_KEY not in found and "cluster.id" in found:
            raise OperatorError(f"{path} holds the data of an Apache Kafka, not of Tidings", other)
        if _FORMAT_KEY not in found:
            raise OperatorError(f"{path}/{META_FILE} is damaged", "Restore that file from a copy.")
        if found[_FORMAT_KEY] != str(FORMAT_VERSION):
            raise OperatorError(
                f"{path} was written by another version of Tidings (format {found[_FORMAT_KEY]},"
                f" this one reads {FORMAT_VERSION})",
                "Use that version, or name another folder.",
            )
        return
    strangers = sorted(set(names) - _MAY_BE_IN_A_NEW_FOLDER)
    if strangers:
        raise OperatorError(f"{path} is not empty, and not a data folder of Tidings (it holds {strangers[0]})", other)


def _read_or_write_meta(files: Files, path: str, node_id: int, make_id: Callable[[], bytes]) -> str:
    """The cluster's id. Read again under the lock: another broker may have made the file just now."""
    meta = f"{path}/{META_FILE}"
    if not files.exists(meta):
        cluster_id = id_text(make_id())
        text = (
            f"{_FORMAT_KEY}={FORMAT_VERSION}\nversion=1\ncluster.id={cluster_id}\n"
            f"node.id={node_id}\ndirectory.id={id_text(make_id())}\n"
        )
        files.write(meta, text.encode(), sync=True)
        return cluster_id
    found = _properties(files.read(meta))
    if found.get("node.id") != str(node_id):
        raise OperatorError(
            f"{path} belongs to node {found.get('node.id')}, not to node {node_id}",
            "Start with that node id, or name another folder.",
        )
    if not found.get("cluster.id"):
        raise OperatorError(f"{meta} does not say which cluster it belongs to", "Restore that file from a copy.")
    return found["cluster.id"]


def _take_clean_mark(files: Files, path: str, *, is_new: bool) -> bool:
    """Whether the mark was there. It is gone, for certain, before anything else is written."""
    mark = f"{path}/{CLEAN_SHUTDOWN_FILE}"
    if not files.exists(mark):
        return is_new
    files.remove(mark)
    files.sync_dir(path)
    return True


def _properties(text: bytes) -> dict[str, str]:
    lines = (line.strip() for line in text.decode(errors="replace").splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#!")
    return {name.strip(): value.strip() for name, _, value in pairs}
