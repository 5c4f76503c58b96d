"""The folders of partitions: made before a topic is recorded, claimed before first use, discarded after it is removed.

What keeps each step right when the power is cut in between:

- A folder's name is on the disk before the record that creates its partition. A partition of the catalog whose folder
  is missing was lost, and is reported; it never comes back empty and silent.
- Before anything is appended, `partition.metadata` in it names the topic's id (Kafka's format), on the disk. A folder
  with records can therefore always be attributed, and one without any can be removed at no loss.
- A topic's removal is recorded first; then its folders get the suffix `-delete` and go. What a cut left of them is
  removed at the next start: by the suffix, by the id of a removed topic, or because it is empty. All else is kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Container, Iterable, Sequence

from tidings.broker.catalog.data_folder import id_bytes, id_text
from tidings.errors import DiskError
from tidings.log.files import Files, remove_tree

log = logging.getLogger(__name__)

CLAIM_FILE = "partition.metadata"
CLAIMED_AT_CREATION_MAX = 32
DISCARDED_SUFFIX = "-delete"
_NAME_LENGTH_MAX = 255
_LOG_SUFFIX = ".log"
_WITHOUT_RECORDS = re.compile(
    r"\.(index|timeindex|txnindex|snapshot|tmp)$|^(leader-epoch-checkpoint|offset-checkpoint|partition\.metadata)$"
)
_PARTITION = re.compile(r"([a-zA-Z0-9._-]{1,249})-(0|[1-9][0-9]{0,8})")
_DISCARDED = re.compile(r".+\.[0-9a-f]{32}-delete")
_CLAIM = re.compile(rb"version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\n")


class PartitionFolders:
    """`removed_ids` are the ids of topics that the catalog has removed. Methods block, and raise DiskError."""

    def __init__(self, files: Files, root: str, removed_ids: Container[bytes], make_id: Callable[[], bytes]) -> None:
        self._files = files
        self._root = root
        self._removed_ids = removed_ids
        self._make_id = make_id

    def path(self, topic: str, index: int) -> str:
        return f"{self._root}/{folder_name(topic, index)}"

    def make(self, folders: Sequence[tuple[str, int, bytes]]) -> None:
        """Make empty folders, given topic, index and topic id. DiskError if one is there that holds records.

        Who creates a topic is about to use it, and so the first few are claimed at once.
        """
        for topic, index, _ in folders:
            path = self.path(topic, index)
            if self._files.exists(path):
                self._discard_leftover(path)
            self._files.mkdir(path)
        for topic, index, topic_id in folders[:CLAIMED_AT_CREATION_MAX]:
            self.claim(topic, index, topic_id)
        self._files.sync_dir(self._root)

    def claim(self, topic: str, index: int, topic_id: bytes) -> str:
        """The path of a partition's folder, from now on marked as this topic's."""
        path = self.path(topic, index)
        if not self._files.exists(path):
            raise DiskError(f"the folder {path} is missing")
        owner = self._owner(path)
        if owner is None:
            text = f"version: 0\ntopic_id: {id_text(topic_id)}\n"
            self._files.write(f"{path}/{CLAIM_FILE}", text.encode(), sync=True)
        elif owner != topic_id:
            raise DiskError(f"{path} belongs to topic id {id_text(owner)}, not to {id_text(topic_id)}")
        return path

    def is_claimed(self, topic: str, index: int) -> bool:
        """Whether the partition may have been used since it was created."""
        return self._files.exists(f"{self.path(topic, index)}/{CLAIM_FILE}")

    def discard(self, folders: Iterable[tuple[str, int]]) -> None:
        """Remove the folders of a removed topic. What fails is logged: the next start removes what is left."""
        for topic, index in folders:
            path = self.path(topic, index)
            try:
                if self._files.exists(path):
                    self._discard(path)
            except DiskError as error:
                log.warning("a removed partition's folder is left for the next start: %s", error)

    def sweep(self, known: Container[tuple[str, int]]) -> None:
        """At start: remove what a cut left behind. `known` are the catalog's partitions."""
        for name in self._files.listdir(self._root):
            try:
                self._sweep_one(name, known)
            except DiskError as error:
                log.warning("%s/%s was left as it is: %s", self._root, name, error)

    def _sweep_one(self, name: str, known: Container[tuple[str, int]]) -> None:
        path = f"{self._root}/{name}"
        if _DISCARDED.fullmatch(name):
            remove_tree(self._files, path)
            return
        partition = _PARTITION.fullmatch(name)
        if partition is None:
            return
        if (partition[1], int(partition[2])) not in known:
            self._discard_leftover(path)

    def _discard_leftover(self, path: str) -> None:
        """Remove a folder that no topic needs; DiskError if it may hold somebody's records."""
        owner = self._owner(path)
        if owner in self._removed_ids:
            self._discard(path)
        elif self._is_empty(path):
            remove_tree(self._files, path)
        else:
            whose = "no topic id" if owner is None else f"topic id {id_text(owner)}"
            raise DiskError(f"{path} has records, but {whose} that the catalog knows")

    def _discard(self, path: str) -> None:
        """Renamed at once, so that the name is free; removed after that."""
        doomed = self._discarded_path(path)
        self._files.rename(path, doomed)
        self._files.sync_dir(self._root)
        remove_tree(self._files, doomed)

    def _discarded_path(self, path: str) -> str:
        suffix = f".{self._make_id().hex()}{DISCARDED_SUFFIX}"
        name = path.rpartition("/")[2]
        return f"{self._root}/{name[: _NAME_LENGTH_MAX - len(suffix)]}{suffix}"

    def _owner(self, path: str) -> bytes | None:
        """The topic id in a folder's claim; None if it was never claimed."""
        claim = f"{path}/{CLAIM_FILE}"
        if not self._files.exists(claim):
            return None
        found = _CLAIM.fullmatch(self._files.read(claim))
        if found is None:
            raise DiskError(f"{claim} does not name a topic id")
        return id_bytes(found[1].decode())

    def _is_empty(self, path: str) -> bool:
        """Nothing but files of ours, and no record in them."""
        return all(
            _WITHOUT_RECORDS.search(name)
            or (name.endswith(_LOG_SUFFIX) and self._files.open(f"{path}/{name}").size == 0)
            for name in self._files.listdir(path)
        )


def folder_name(topic: str, index: int) -> str:
    return f"{topic}-{index}"
