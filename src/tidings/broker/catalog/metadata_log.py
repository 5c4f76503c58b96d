"""The catalog's log, `__cluster_metadata-0`: Apache Kafka's metadata records, framed as KRaft frames them.

`kafka-dump-log --cluster-metadata-decoder` reads it. One batch is one change: it is there whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidings.errors import DiskError, OperatorError
from tidings.log.config import UNLIMITED, LogConfig
from tidings.log.files import Files, parent
from tidings.log.partition import Partition
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.error_codes import ApiError
from tidings.wire.message import Message
from tidings.wire.messages.metadata_records import (
    AccessControlEntryRecord,
    ClientQuotaRecord,
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    RemoveUserScramCredentialRecord,
    TopicRecord,
    UserScramCredentialRecord,
)
from tidings.wire.primitives import MalformedError, read_uvarint, write_uvarint
from tidings.wire.records import Record, encode_batch, records

FRAME_VERSION = 1
_READ_BYTES = 1 << 20
_CONFIG = LogConfig(retention_ms=UNLIMITED, retention_bytes=UNLIMITED, deletes=False, message_bytes_max=(1 << 31) - 1)

_WRITTEN_VERSIONS: dict[type[Message], int] = {
    TopicRecord: 0,
    PartitionRecord: 0,
    ConfigRecord: 0,
    RemoveTopicRecord: 0,
    ProducerIdsRecord: 0,
    ClientQuotaRecord: 0,
    AccessControlEntryRecord: 0,
    RemoveAccessControlEntryRecord: 0,
    UserScramCredentialRecord: 0,
    RemoveUserScramCredentialRecord: 0,
}
_BY_KEY = {cls.api_key: cls for cls in _WRITTEN_VERSIONS}


class MetadataLog:
    """Appends and reads metadata records. Its methods block; `append` is called by one thread at a time."""

    def __init__(self, files: Files, path: str, *, now_ms: int, clean: bool) -> None:
        self._path = path
        if not files.exists(path):
            files.mkdir(path)
            files.sync_dir(parent(path))
        self._partition = Partition.open(files, path, _CONFIG, now_ms=now_ms, clean=clean)

    def read(self) -> Iterator[Message]:
        """Every record. Raises DiskError for one that cannot be read, OperatorError for one that is too new."""
        offset = self._partition.log_start_offset
        while offset < self._partition.end_offset:
            data = self._partition.read(offset, _READ_BYTES, up_to=self._partition.end_offset)
            if not data:
                raise DiskError(f"{self._path} ends before offset {offset}")
            for record in records(data):
                if record.offset >= offset:
                    yield self._parse(record)
                    offset = record.offset + 1

    def append(self, changes: Sequence[Message], *, now_ms: int) -> None:
        """Write the records as one batch; return when they are on the disk. Raises DiskError."""
        batch = encode_batch(Record(0, now_ms, None, framed(record), []) for record in changes)
        try:
            self._partition.append(batch, now_ms=now_ms)
        except ApiError as error:
            raise DiskError(f"{self._path} takes no more records: {error}") from error
        self._partition.sync()

    @property
    def end_offset(self) -> int:
        return self._partition.end_offset

    @property
    def is_offline(self) -> bool:
        """Whether a failure of the disk has ended all changes until the next start."""
        return self._partition.offline_reason is not None

    def close(self, *, clean: bool) -> None:
        self._partition.close(clean)

    def _parse(self, record: Record) -> Message:
        try:
            return parsed(record.value or b"")
        except MalformedError as error:
            raise DiskError(f"{self._path} cannot be read at offset {record.offset}: {error}") from error


def framed(record: Message) -> bytes:
    version = _WRITTEN_VERSIONS[type(record)]
    frame = write_uvarint(FRAME_VERSION) + write_uvarint(record.api_key) + write_uvarint(version)
    return frame + encode_bytes(record, version)


def parsed(value: bytes) -> Message:
    """The record in a frame. Raises MalformedError, and OperatorError for a kind or version we do not know."""
    try:
        frame_version, pos = read_uvarint(value, 0)
        key, pos = read_uvarint(value, pos)
        version, pos = read_uvarint(value, pos)
    except IndexError as error:
        raise MalformedError("a metadata record is cut short") from error
    cls = _BY_KEY.get(key)
    if frame_version != FRAME_VERSION or cls is None or version > cls.versions[1]:
        raise OperatorError(
            f"the catalog holds a record (kind {key}, version {version}) that this version of Tidings does not know",
            "Start the version that wrote it, or a newer one.",
        )
    return decode(cls, version, value, pos)[0]
