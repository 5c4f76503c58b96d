"""The file behind a table: SQLite, where rows and the position they stem from change in one transaction.

    rows(key, value, partition, offset, id, time_ms)     value is the event as JSON; key is text where it is UTF-8
    history(key, …, the same columns)                    the last versions of each key, where asked for; null: removed
    positions(partition, next_offset, known_ms)          what was read so far, and when that was so
    shown(partition)                                     whose rows are kept up to date; of a table of all: unused
    origin(stream, stream_id, type, versions)            one row: what it is a replica of, and how many versions
    a view with the type's name                          a column for each field; of the partitions that are shown

The file belongs to one process at a time (a lock beside it says so): a second one of the same service keeps its own.
WAL with synchronous=NORMAL: a power cut may undo the last transactions, rows and positions alike, and they are read
again.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from tidings.errors import OperatorError
from tidings.service.tables.columns import Columns, Stored

PROCESSES_MAX = 64
STATEMENT_ROWS = 100
PAGE_BYTES = 8_192
STEPS_UNWATCHED = 10_000
"""What SQLite does between two looks at the clock: a millisecond or so."""
LAYOUT = 2
"""Raised when these tables change: a file of another layout is made anew from its stream."""
CACHE_KIB_FOLLOWING = 2_048
CACHE_KIB_CATCHING_UP = 65_536
"""Keys come in any order, so that every row of a long catch-up is on another page of the file."""
WAL_BYTES_MAX = 16 * 1_048_576
"""From here on what was written is moved from the log into the file."""

_COLUMNS = "partition INTEGER NOT NULL, offset INTEGER NOT NULL, id TEXT, time_ms INTEGER NOT NULL"
_SCHEMA = f"""
CREATE TABLE rows (key PRIMARY KEY, value TEXT NOT NULL, {_COLUMNS}) WITHOUT ROWID;
CREATE TABLE history (key, value TEXT, {_COLUMNS}, PRIMARY KEY (key, partition, offset)) WITHOUT ROWID;
CREATE TABLE positions (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, known_ms INTEGER NOT NULL);
CREATE TABLE shown (partition INTEGER PRIMARY KEY);
CREATE TABLE origin (
    stream TEXT NOT NULL, stream_id TEXT NOT NULL, type TEXT NOT NULL, versions INTEGER NOT NULL
);
"""

_ROW = "(?, CAST(? AS TEXT), ?, ?, ?, ?)"
_KEY = itemgetter(0)

_SHOWN = "partition IN (SELECT partition FROM shown)"

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

    def __init__(self, path: Path, lock_file: int, columns: Columns, versions: int, *, whole: bool) -> None:
        self.path = path
        self._lock_file = lock_file
        self._versions = versions
        self._writer = _connect(path)
        self._shown = "1" if whole else _SHOWN
        _prepare(self._writer, columns, self._shown)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._reader.execute("PRAGMA mmap_size = 268435456")
        self._get = f"SELECT CAST(value AS BLOB) FROM rows WHERE key = ? AND {self._shown}"
        self._looking_up = self._reader.cursor()
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        """Held by whoever uses a connection: SQLite does not survive one that is closed meanwhile, and a write goes on
        in its thread when the task that waited for it was cancelled."""

    @classmethod
    def open(cls, folder: Path, name: str, columns: Columns, versions: int = 1, *, whole: bool = True) -> Replica:
        """The first file of that name that no other process uses. Raises OperatorError.

        `versions` of each key are kept; with 1 the latest alone. `whole`: rows of all partitions are shown, otherwise
        those of the partitions that `show_only` was told.
        """
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
                return cls(path, lock_file, columns, versions, whole=whole)
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
        """Whether the rows stem from this very stream, not from one of the same name that is gone.

        And whether they are all that is to be kept: versions that were not kept are in the stream alone.
        """
        origin = self._writer.execute("SELECT stream, stream_id, type, versions FROM origin").fetchone()
        return origin is not None and origin[:3] == (stream, stream_id, type_name) and origin[3] >= self._versions

    def begin_anew(self, stream: str, stream_id: str, type_name: str) -> None:
        with self._writing:
            with self._writer:
                for table in ("rows", "history", "positions", "shown", "origin"):
                    self._writer.execute(f"DELETE FROM {table}")
                origin = (stream, stream_id, type_name, self._versions)
                self._writer.execute("INSERT INTO origin VALUES (?, ?, ?, ?)", origin)
            self._let_readers_go_on()

    def positions(self) -> dict[int, int]:
        with self._writing:
            return dict(self._writer.execute("SELECT partition, next_offset FROM positions"))

    def known_ms(self) -> dict[int, int]:
        """When each partition's position was last known to be that (milliseconds since the epoch)."""
        with self._writing:
            return dict(self._writer.execute("SELECT partition, known_ms FROM positions"))

    def forget(self, partitions: Collection[int]) -> None:
        """Everything of these partitions: they will be read anew."""
        with self._writing:
            self._let_readers_go_on()
            with self._writer:
                for table in ("rows", "history", "positions"):
                    statement = f"DELETE FROM {table} WHERE partition = ?"
                    self._writer.executemany(statement, [(partition,) for partition in partitions])
            self._let_readers_go_on()

    def show_only(self, partitions: Collection[int]) -> None:
        """Rows of all others are kept, and shown to nobody."""
        with self._writing:
            self._let_readers_go_on()
            with self._writer:
                self._writer.execute("DELETE FROM shown")
                self._writer.executemany("INSERT INTO shown VALUES (?)", [(partition,) for partition in partitions])
            self._let_readers_go_on()

    # Writing.

    def expect_many_rows(self, expected: bool) -> None:
        """A catch-up begins, or has ended."""
        with self._writing:
            cache_kib = CACHE_KIB_CATCHING_UP if expected else CACHE_KIB_FOLLOWING
            self._writer.execute(f"PRAGMA cache_size = -{cache_kib}")
            if not expected:
                self._writer.execute("PRAGMA shrink_memory")

    def apply(self, rows: Sequence[Row], positions: Mapping[int, int], now_ms: int = 0) -> None:
        """Rows and the positions behind them, all or nothing."""
        with self._writing:
            self._let_readers_go_on()
            with self._writer:
                self._apply_latest(rows)
                if self._versions > 1:
                    self._apply_history(rows)
                known = [(partition, offset, now_ms) for partition, offset in positions.items()]
                self._writer.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", known)
            self._let_readers_go_on()
            if _size_bytes(self.path.with_name(self.path.name + "-wal")) > WAL_BYTES_MAX:
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _apply_latest(self, rows: Sequence[Row]) -> None:
        latest = {row.key: row for row in rows}
        removed = [(key,) for key, row in latest.items() if row.value is None]
        if removed:
            self._writer.executemany("DELETE FROM rows WHERE key = ?", removed)
        self._put("rows", [row for row in latest.values() if row.value is not None])

    def _apply_history(self, rows: Sequence[Row]) -> None:
        self._put("history", rows)
        self._writer.executemany(
            """DELETE FROM history WHERE key = ?1 AND (partition, offset) IN (
                   SELECT partition, offset FROM history WHERE key = ?1
                   ORDER BY time_ms DESC, partition DESC, offset DESC LIMIT -1 OFFSET ?2)""",
            [(key, self._versions) for key in {row.key for row in rows}],
        )

    def _put(self, table: str, rows: Sequence[Row]) -> None:
        """Many rows a statement, in the order they have in the file: SQLite then works longer without our interpreter.

        With a statement a row, each would wait for its turn among Python's threads.
        """
        texts = sorted((row for row in rows if isinstance(row.key, str)), key=_KEY)
        ordered = [*texts, *(row for row in rows if isinstance(row.key, bytes))]
        whole = len(ordered) - len(ordered) % STATEMENT_ROWS
        into = f"INSERT OR REPLACE INTO {table} VALUES"
        many = f"{into} {', '.join([_ROW] * STATEMENT_ROWS)}"
        for begin in range(0, whole, STATEMENT_ROWS):
            self._writer.execute(many, list(chain.from_iterable(ordered[begin : begin + STATEMENT_ROWS])))
        self._writer.executemany(f"{into} {_ROW}", ordered[whole:])

    def _let_readers_go_on(self) -> None:
        """End the readers' view of the file, before and after each change.

        After it, because the next one is to see the change; before it, because a log that somebody reads in cannot be
        begun anew by SQLite, and would grow for as long as somebody reads.
        """
        with self._reading:
            if self._reader.in_transaction:
                self._reader.execute("COMMIT")

    # Reading.

    def _ask(self, query: str, values: Sequence[Stored | bytes] = ()) -> list[Any]:
        """One view of the file serves many questions: to open one costs more than most answers."""
        with self._reading:
            if not self._reader.in_transaction:
                self._reader.execute("BEGIN")
            return self._reader.execute(query, values).fetchall()

    def get(self, key: StoredKey) -> bytes | None:
        with self._reading:
            if not self._reader.in_transaction:
                self._reader.execute("BEGIN")
            found = self._looking_up.execute(self._get, (key,)).fetchone()
        value: bytes | None = None if found is None else found[0]
        return value

    def count(self, within_s: float | None = None) -> int:
        """Looks at every row, beside those who look up keys. Raises sqlite3.OperationalError as `query` does."""
        count: int = self.query(f"SELECT count(*) FROM rows WHERE {self._shown}", (), within_s)[0][0]
        return count

    def pages(
        self, condition: str = "1", values: Sequence[Stored] = (), page_rows: int = 1000
    ) -> Iterator[list[tuple[StoredKey, bytes]]]:
        """Every row that meets the condition, by key, a page at a time; rows may change between pages."""
        query = f"SELECT key, CAST(value AS BLOB) FROM rows WHERE ({condition}) AND {self._shown}"
        page = self._ask(f"{query} ORDER BY key LIMIT ?", (*values, page_rows))
        while page:
            yield page
            page = self._ask(f"{query} AND key > ? ORDER BY key LIMIT ?", (*values, page[-1][0], page_rows))

    def history(self, key: StoredKey) -> list[Row]:
        """The versions of a key that are kept, from the oldest to the newest."""
        query = "SELECT key, CAST(value AS BLOB), partition, offset, id, time_ms FROM history"
        query = f"{query} WHERE key = ? AND {self._shown} ORDER BY time_ms, partition, offset"
        return [Row(*found) for found in self._ask(query, (key,))]

    def some(
        self, condition: str, values: Sequence[Any], after: StoredKey | None, rows_max: int, within_s: float
    ) -> list[tuple[StoredKey, bytes]]:
        """Rows that meet the condition, by key, from behind `after` on; on a connection of its own, for strangers.

        Raises sqlite3.OperationalError when it takes longer than `within_s`.
        """
        query = f"SELECT key, CAST(value AS BLOB) FROM rows WHERE ({condition}) AND {self._shown}"
        if after is not None:
            query = f"{query} AND key > ?"
            values = [*values, after]
        rows = self.query(f"{query} ORDER BY key LIMIT ?", (*values, rows_max), within_s)
        return [(key, value) for key, value in rows]

    def query(self, sql: str, values: Sequence[Any], within_s: float | None = None) -> list[sqlite3.Row]:
        """Anything that reads, on a connection of its own: it may take long, but no longer than `within_s`.

        Raises sqlite3.Error.
        """
        connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            if within_s is not None:
                until_s = time.monotonic() + within_s
                connection.set_progress_handler(lambda: time.monotonic() > until_s, STEPS_UNWATCHED)
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


def _prepare(writer: sqlite3.Connection, columns: Columns, shown: str) -> None:
    """Tables as this layout has them, the indexes that are asked for and no others, and the view."""
    for name in _names(writer, "view"):
        writer.execute(f'DROP VIEW "{name}"')
    if writer.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
        for name in _names(writer, "table"):
            writer.execute(f'DROP TABLE "{name}"')
        for statement in _SCHEMA.split(";"):
            writer.execute(statement)
        writer.execute(f"PRAGMA user_version = {LAYOUT}")
    wanted, there = columns.index_statements(), _names(writer, "index")
    for name in there:
        if wanted.get(name) != there[name]:
            writer.execute(f'DROP INDEX "{name}"')
    for name, statement in wanted.items():
        if there.get(name) != statement:
            writer.execute(statement)
    writer.execute(columns.view(shown))


def _names(connection: sqlite3.Connection, kind: str) -> dict[str, str]:
    """What of a kind is in the file, without what SQLite made itself; and the statement that made it."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL"
    return dict(connection.execute(query, (kind,)).fetchall())


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a file that is new
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection
