"""The file behind a table: SQLite, where rows and the position they stem from change in one transaction.

    rows(key, value, partition, offset, id, time_ms)     value is the event as JSON; key is text where it is UTF-8
    positions(partition, next_offset)                    what was read so far
    origin(stream, stream_id, type)                      one row: what it is a replica of

The file belongs to one process at a time (a lock beside it says so): a second one of the same service keeps its own.
WAL with synchronous=NORMAL: a power cut may undo the last transactions, rows and positions alike, and they are read
again.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tidings.errors import OperatorError

PROCESSES_MAX = 64

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    key PRIMARY KEY, value TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, id TEXT,
    time_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS origin (stream TEXT NOT NULL, stream_id TEXT NOT NULL, type TEXT NOT NULL);
"""

StoredKey = str | bytes


class Row(NamedTuple):
    """The latest value of a key, or with `value` None its removal."""

    key: StoredKey
    value: bytes | None
    partition: int
    offset: int
    id: str | None
    time_ms: int


def stored_key(key: bytes) -> StoredKey:
    """Text if it can be, since people will look at it."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return key


class Replica:
    """One open file. Written by one thread at a time, read by any."""

    def __init__(self, path: Path, lock_file: int) -> None:
        self.path = path
        self._lock_file = lock_file
        self._writer = _connect(path)
        self._writer.executescript(_SCHEMA)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        """Held by whoever uses a connection: SQLite does not survive one that is closed meanwhile, and a write goes on
        in its thread when the task that waited for it was cancelled."""

    @classmethod
    def open(cls, folder: Path, name: str) -> Replica:
        """The first file of that name that no other process uses. Raises OperatorError."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(1, PROCESSES_MAX + 1):
                path = folder / (f"{name}.db" if number == 1 else f"{name}.{number}.db")
                lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock_file)
                    continue
                return cls(path, lock_file)
        except (OSError, sqlite3.Error) as error:
            raise OperatorError(
                f"the table {name} cannot be kept in {folder}: {error}",
                "set TIDINGS_STATE to a folder you may write to",
            ) from error
        raise OperatorError(
            f"{PROCESSES_MAX} processes keep {name} in {folder} already", "stop some, or set TIDINGS_STATE"
        )

    def close(self) -> None:
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()
        os.close(self._lock_file)

    # What it is a replica of.

    def belongs_to(self, stream: str, stream_id: str, type_name: str) -> bool:
        """Whether the rows stem from this very stream: not from one of the same name that is gone."""
        origin = self._writer.execute("SELECT stream, stream_id, type FROM origin").fetchone()
        return bool(origin == (stream, stream_id, type_name))

    def begin_anew(self, stream: str, stream_id: str, type_name: str) -> None:
        with self._writer:
            for table in ("rows", "positions", "origin"):
                self._writer.execute(f"DELETE FROM {table}")
            self._writer.execute("INSERT INTO origin VALUES (?, ?, ?)", (stream, stream_id, type_name))

    def positions(self) -> dict[int, int]:
        return dict(self._writer.execute("SELECT partition, next_offset FROM positions"))

    # Writing.

    def apply(self, rows: Sequence[Row], positions: Mapping[int, int]) -> None:
        """Rows and the positions behind them, all or nothing."""
        latest = {row.key: row for row in rows}.values()
        with self._writing, self._writer:
            self._writer.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?)",
                ((row.key, row.value.decode(), *row[2:]) for row in latest if row.value is not None),
            )
            self._writer.executemany(
                "DELETE FROM rows WHERE key = ?", ((row.key,) for row in latest if row.value is None)
            )
            self._writer.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", positions.items())

    # Reading.

    def get(self, key: StoredKey) -> bytes | None:
        with self._reading:
            found = self._reader.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0].encode()

    def count(self) -> int:
        with self._reading:
            count: int = self._reader.execute("SELECT count(*) FROM rows").fetchone()[0]
        return count

    def pages(self, page_rows: int = 1000) -> Iterator[list[tuple[StoredKey, bytes]]]:
        """Every row, by key, a page at a time; rows may change between pages."""
        after: StoredKey | None = None
        while True:
            with self._reading:
                page = self._reader.execute(
                    "SELECT key, value FROM rows WHERE ?1 IS NULL OR key > ?1 ORDER BY key LIMIT ?2", (after, page_rows)
                ).fetchall()
            if not page:
                return
            yield [(key, value.encode()) for key, value in page]
            after = page[-1][0]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
