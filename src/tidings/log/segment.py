"""A stretch of a partition: one `.log` file of record batches, exactly as they were sent, and its sparse indexes.

00000000000000001200.log  .index  .timeindex        1200: the offset it begins with
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from tidings.errors import DiskError
from tidings.log.files import File, Files, parent
from tidings.log.index import OffsetIndex, TimeIndex
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.records import HEADER_BYTES, LENGTH_END, NO_TIMESTAMP, BatchHeader, batches, crc_matches, read_header

LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT = ".log", ".index", ".timeindex", ".txnindex", ".snapshot"
CLEANED = ".log.cleaned"
"""What compaction writes, before it takes the place of a `.log`."""
SEGMENT_BYTES_MAX = (1 << 31) - 1
"""Positions and relative offsets in the indexes are signed 32-bit numbers."""

HINTS_MAX = 32
_SEEK_BYTES = 16 << 10
_SCAN_BYTES = 256 << 10
_PREFIX = Struct(">qi")  # base offset, length
_BASE_OFFSET = Struct(">q")


def file_name(offset: int, suffix: str) -> str:
    return f"{offset:020d}{suffix}"


def headers(file: File, position: int, end: int, chunk_bytes: int = _SCAN_BYTES) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch between two positions; ends before `end` where there is no whole batch."""
    chunk = b""
    chunk_at = position
    while position + HEADER_BYTES <= end:
        at = position - chunk_at
        if at + HEADER_BYTES > len(chunk):
            chunk = file.pread(position, min(chunk_bytes, end - position))
            chunk_at, at = position, 0
        try:
            header = read_header(chunk, at)
        except MalformedError:
            return
        following = position + header.size_bytes
        if following > end:
            return
        yield position, header
        position = following


class Segment:
    """`end_offset` is the offset behind its last record. Indexes of a segment that is not written to load when used."""

    __slots__ = (
        "_files", "_hints", "_index_interval_bytes", "_max_timestamp_offset", "_offsets", "_path", "_times",
        "_trusted_from", "_unindexed_bytes", "_verified_to", "_whole_bytes", "base_offset", "end_offset", "file",
        "first_append_ms", "has_gaps", "max_timestamp",
    )  # fmt: skip

    def __init__(self, files: Files, folder: str, base_offset: int, file: File, index_interval_bytes: int) -> None:
        self.base_offset = base_offset
        self.end_offset = base_offset
        self.file = file
        self.first_append_ms = NO_TIMESTAMP
        self.max_timestamp = NO_TIMESTAMP
        self.has_gaps = False  # compaction took offsets out
        self._files = files
        self._path = f"{folder}/{file_name(base_offset, '')}"
        self._index_interval_bytes = index_interval_bytes
        self._max_timestamp_offset = base_offset
        self._unindexed_bytes = 0  # since the last index entry
        self._whole_bytes = 0  # up to where the last rebuild found batches
        self._offsets: OffsetIndex | None = None
        self._times: TimeIndex | None = None
        self._hints: dict[int, int] = {}  # offset -> position, where someone will probably read next
        # What this process wrote, or has read once, needs no checksum before it is served.
        self._trusted_from = file.size
        self._verified_to = 0

    @classmethod
    def create(
        cls, files: Files, folder: str, base_offset: int, index_interval_bytes: int, suffix: str = LOG
    ) -> Segment:
        path = f"{folder}/{file_name(base_offset, suffix)}"
        segment = cls(files, folder, base_offset, files.create(path), index_interval_bytes)
        segment._offsets, segment._times = OffsetIndex(), TimeIndex()
        return segment

    @classmethod
    def open(cls, files: Files, folder: str, base_offset: int, index_interval_bytes: int) -> Segment:
        path = f"{folder}/{file_name(base_offset, LOG)}"
        return cls(files, folder, base_offset, files.open(path), index_interval_bytes)

    @property
    def size_bytes(self) -> int:
        return self.file.size

    # Writing.

    def append(self, data: Buffer) -> int:
        """Write whole batches and return their position; `note` each of them then.

        After a DiskError the file is as it was before; after a TornError it is not, and must not be written to.
        """
        file = self.file
        size = file.size
        try:
            return file.append(data)
        except DiskError as error:
            try:
                file.truncate(size)
            except DiskError as second:
                raise TornError(f"{error}; {second}") from error
            raise

    def note(self, position: int, size_bytes: int, last_offset: int, max_timestamp: int) -> None:
        """Take the batch at `position`, the last one so far, into the indexes."""
        if max_timestamp > self.max_timestamp:
            self.max_timestamp = max_timestamp
            self._max_timestamp_offset = last_offset
        if self._unindexed_bytes > self._index_interval_bytes:
            self._unindexed_bytes = 0
            offsets, times = self._indexes()
            offsets.add(last_offset - self.base_offset, position)
            times.add(self.max_timestamp, self._max_timestamp_offset - self.base_offset)
        self._unindexed_bytes += size_bytes
        self.end_offset = last_offset + 1

    def expect_reader(self, offset: int, position: int) -> None:
        """Someone will probably read from `offset`, which lies in the batch at `position`."""
        hints = self._hints
        if len(hints) >= HINTS_MAX:
            hints.clear()
        hints[offset] = position

    def truncate(self, position: int, end_offset: int) -> None:
        """Cut the file at the beginning of a batch. The indexes are built anew when next asked for."""
        self.file.truncate(position)
        self.end_offset = end_offset
        self._hints.clear()
        self._offsets = self._times = None

    def encode_indexes(self) -> tuple[bytes, bytes]:
        """What their files are to hold."""
        offsets, times = self._indexes()
        times.add(self.max_timestamp, self._max_timestamp_offset - self.base_offset)
        return offsets.encode(), times.encode()

    def write_indexes(self, encoded: tuple[bytes, bytes]) -> None:
        """Not synced: they can be told from the segment, and are, where they are damaged."""
        self._files.write(self._path + INDEX, encoded[0], sync=False)
        self._files.write(self._path + TIME_INDEX, encoded[1], sync=False)

    def take_place(self) -> None:
        """Of a segment that was written beside: be the one of its name from now on. Its indexes are in memory.

        Raises DiskError; the other is still there then, perhaps without the files of its indexes.
        """
        self.remove_indexes()
        self.file.rename(self._path + LOG)

    def remove(self) -> None:
        """Remove its files, the log first: an index without one is litter."""
        self.file.close()
        self._remove_files(LOG, INDEX, TIME_INDEX, TXN_INDEX)

    def remove_indexes(self) -> None:
        """Remove their files; they can be built anew."""
        self._remove_files(INDEX, TIME_INDEX, TXN_INDEX)

    def _remove_files(self, *suffixes: str) -> None:
        for suffix in suffixes:
            if self._files.exists(self._path + suffix):
                self._files.remove(self._path + suffix)

    # Reading.

    def find(self, offset: int) -> int:
        """The position of the batch that holds `offset`, or of the first one behind it. Raises DiskError."""
        hint = self._hints.get(offset)
        if hint is not None:
            return hint
        size = self.size_bytes
        position = self._search(offset, self._indexes()[0].position_before(offset - self.base_offset), size)
        if position is None:
            # Either the index misled us, or the segment is damaged. Only one of them can be asked again.
            self.rebuild()
            position = self._search(offset, self._indexes()[0].position_before(offset - self.base_offset), size)
        if position is None:
            raise self._damaged(self._whole_bytes, f"no batch begins there, looking for offset {offset}")
        return position

    def read(self, offset: int, bytes_max: int, end_position: int, end_offset: int, at_least_one: bool) -> bytes:
        """Whole batches from the one that holds `offset`, not past `end_position`, where `end_offset` begins.

        The first comes whole even if larger than `bytes_max`, if `at_least_one` (KIP-74). Raises DiskError.
        """
        start = self.find(offset)
        available = end_position - start
        if available <= 0:
            return b""
        trusted = start >= self._trusted_from or end_position <= self._verified_to
        if bytes_max >= available:
            data = self._pread(start, available)
            if not trusted:
                self._verify(data, start)
            self.expect_reader(end_offset, end_position)
            return data
        end, next_offset = self._boundary_before(start + bytes_max) if trusted else (0, 0)
        if end > start:
            self.expect_reader(next_offset, end)
            return self._pread(start, end - start)
        data = self._read_whole(start, available, bytes_max, at_least_one)
        if data and not trusted:
            self.expect_reader(self._verify(data, start), start + len(data))
        return data

    def first_header(self) -> BatchHeader | None:
        for _, header in headers(self.file, 0, self.size_bytes, HEADER_BYTES):
            return header
        return None

    def batches_from(self, position: int, end_position: int) -> Iterator[tuple[int, BatchHeader]]:
        """Position and header of each batch between two that begin there. Raises DiskError where one is damaged."""
        for found, header in headers(self.file, position, end_position):
            yield found, header
            position = found + header.size_bytes
        if position != end_position:
            raise self._damaged(position, "no batch begins there")

    def read_batch(self, position: int, header: BatchHeader) -> bytes:
        """One batch, checked."""
        data = self._pread(position, header.size_bytes)
        self._verify(data, position)
        return data

    def find_time(self, timestamp: int) -> int:
        """A position that no batch with a record as late as `timestamp` is before. Raises DiskError."""
        entry = self._indexes()[1].entry_before(timestamp)
        if entry is not None and not self._is_max_timestamp(*entry):
            self.rebuild()
            entry = self._indexes()[1].entry_before(timestamp)
        return 0 if entry is None else self.find(self.base_offset + entry[1])

    # Loading.

    def load_to(self, offset: int | None = None) -> int | None:
        """Take up the indexes from their files, as far as `offset` (default: the end), to go on from there.

        Returns its position; None if the files do not fit the segment. The headers behind the last index entry are
        read; the checksums are not looked at.
        """
        if not self._load_files():
            return None
        offsets, times = self._indexes()
        if offset is not None:
            offsets.cut(offset - self.base_offset)
            times.cut(offset - self.base_offset)
            self._take_latest(times)
        position = offsets.positions[-1] if offsets.positions else 0
        expected = offsets.offsets[-1] + self.base_offset if offsets.offsets else None
        for found, header in headers(self.file, position, self.size_bytes):
            if header.base_offset == offset:
                return found
            if expected is not None and header.last_offset != expected:
                return None
            expected = None
            self.note(found, header.size_bytes, header.last_offset, header.max_timestamp)
            position = found + header.size_bytes
        return position if position == self.size_bytes and offset in (None, self.end_offset) else None

    def latest_timestamp(self) -> int:
        """The greatest of its records, from the time index if need be; NO_TIMESTAMP if none has one."""
        if self.max_timestamp == NO_TIMESTAMP and self._times is None:
            other = self._twin()  # so that a reader's indexes stay as they are
            other._load()
            self.max_timestamp, self._max_timestamp_offset = other.max_timestamp, other._max_timestamp_offset
        return self.max_timestamp

    def start_indexes(self) -> None:
        """Begin with empty ones: what is noted from now on is all there is."""
        self._offsets, self._times = OffsetIndex(), TimeIndex()
        self._unindexed_bytes = 0
        self.end_offset = self.base_offset
        self.max_timestamp = NO_TIMESTAMP

    def unload_indexes(self) -> None:
        """They load again when used."""
        self._offsets = self._times = None

    def rebuild(self) -> None:
        """Build the indexes from the headers of the segment, as far as those are in order."""
        fresh = self._twin()
        fresh.start_indexes()
        whole_bytes = 0
        for position, header in headers(self.file, 0, self.size_bytes):
            fresh.note(position, header.size_bytes, header.last_offset, header.max_timestamp)
            whole_bytes = position + header.size_bytes
        self._whole_bytes = whole_bytes
        self._unindexed_bytes = fresh._unindexed_bytes
        self.max_timestamp, self._max_timestamp_offset = fresh.max_timestamp, fresh._max_timestamp_offset
        self.end_offset = max(self.end_offset, fresh.end_offset)
        self._offsets, self._times = fresh._offsets, fresh._times

    def _twin(self) -> Segment:
        """Another view of the same file: what is loaded or built there disturbs nobody who reads here."""
        twin = Segment(self._files, parent(self._path), self.base_offset, self.file, self._index_interval_bytes)
        twin.end_offset = self.end_offset
        return twin

    def _indexes(self) -> tuple[OffsetIndex, TimeIndex]:
        while True:  # another thread may unload them at any moment
            offsets, times = self._offsets, self._times
            if offsets is not None and times is not None:
                return offsets, times
            self._load()

    def _load(self) -> None:
        if not self._load_files():
            self.rebuild()

    def _load_files(self) -> bool:
        """Take the indexes from their files; False if they are not there, or are not those of the segment."""
        offsets = times = None
        if self._files.exists(self._path + INDEX) and self._files.exists(self._path + TIME_INDEX):
            offsets = OffsetIndex.decode(self._files.read(self._path + INDEX), self.size_bytes)
            times = TimeIndex.decode(self._files.read(self._path + TIME_INDEX))
        if offsets is None or times is None:
            return False
        self._offsets, self._times = offsets, times
        self._take_latest(times)
        latest = times.latest()
        # Much depends on the greatest timestamp: the batch that has it must agree.
        return self.size_bytes == 0 if latest is None else self._is_max_timestamp(*latest)

    def _take_latest(self, times: TimeIndex) -> None:
        timestamp, offset = times.latest() or (NO_TIMESTAMP, 0)
        self.max_timestamp, self._max_timestamp_offset = timestamp, self.base_offset + offset

    def _is_max_timestamp(self, timestamp: int, offset: int) -> bool:
        """Whether a time index entry tells the truth about its batch."""
        position = self.find(self.base_offset + offset)
        for _, header in headers(self.file, position, self.size_bytes, HEADER_BYTES):
            return header.max_timestamp == timestamp and header.last_offset == self.base_offset + offset
        return False

    def _search(self, offset: int, position: int, size: int) -> int | None:
        """Look for the batch with `offset` from `position` on; None where something does not fit."""
        indexed = position > 0
        for found, header in headers(self.file, position, size, _SEEK_BYTES):
            if indexed and header.last_offset > offset:
                return None  # the batch of an index entry ends at or before what is looked for
            indexed = False
            if header.last_offset >= offset:
                return found
            position = found + header.size_bytes
        return position if position == size else None

    def _pread(self, position: int, size: int) -> bytes:
        data = self.file.pread(position, size)
        if len(data) != size:
            raise self._damaged(position, f"{len(data)} bytes where {size} were written")
        return data

    def _boundary_before(self, position: int) -> tuple[int, int]:
        """Where the last indexed batch begins that is not past `position`: its position and offset, or zeros."""
        offsets = self._indexes()[0]
        known = offsets.entry_at(position)
        if known is None:
            return 0, 0
        for found, header in headers(self.file, known[1], self.size_bytes, HEADER_BYTES):
            if header.last_offset == self.base_offset + known[0]:
                return found, header.base_offset
        return 0, 0  # an index that is damaged; `find` will see to it

    def _read_whole(self, start: int, available: int, bytes_max: int, at_least_one: bool) -> bytes:
        """As many whole batches as `bytes_max` takes; the first at any rate, if `at_least_one`."""
        data = self._pread(start, min(available, max(bytes_max, HEADER_BYTES)))
        at = 0
        while at + LENGTH_END <= len(data):
            following = at + LENGTH_END + _PREFIX.unpack_from(data, at)[1]
            if not at + HEADER_BYTES <= following <= available:
                raise self._damaged(start + at, f"a batch of {following - at} bytes")
            if following > len(data):
                break
            at = following
        if at == 0 and at_least_one:
            return self._pread(start, following)
        return data[:at]

    def _verify(self, data: bytes, start: int) -> int:
        """The offset behind `data`, read at `start`. Raises DiskError unless it is batches as they were written."""
        end = 0
        next_offset = None
        try:
            for position, header in batches(data):
                if not crc_matches(data, position, header):
                    raise self._damaged(start + position, f"the batch at offset {header.base_offset} is damaged")
                has_gap = next_offset not in (None, header.base_offset)
                if has_gap and not (self.has_gaps and header.base_offset > (next_offset or 0)):
                    raise self._damaged(start + position, f"offset {header.base_offset} where {next_offset} was due")
                next_offset = header.last_offset + 1
                end = position + header.size_bytes
        except MalformedError as error:
            raise self._damaged(start + end, str(error)) from error
        if next_offset is None or end != len(data):
            raise self._damaged(start + end, "a batch is cut short")
        if start <= self._verified_to < start + end:
            self._verified_to = start + end
        return next_offset

    def _damaged(self, position: int, what: str) -> DiskError:
        return DiskError(f"{self.file.path}, position {position}: {what}")


class TornError(DiskError):
    """A failed append left bytes behind that could not be cut off."""
