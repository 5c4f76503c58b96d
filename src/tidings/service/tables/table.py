"""Tables: a service's own copy of what another one says about its things (event-carried state transfer).

    customers = shipping.table(CustomerChanged, indexes=["country"], history=10)
    customer = customers[order.customer_id]
    swiss = list(customers.where(country="CH"))

The latest event of each key, kept in a local file and always brought up to date; a record without a value removes its
key. Every process of a service keeps the whole stream, or with `partitioned=True` the partitions that it owns.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

from tidings.errors import DeclarationError, TidingsError
from tidings.events.declaration import EventType
from tidings.events.keys import encode_key
from tidings.events.position import Position
from tidings.service.handled import handled
from tidings.service.partitioner import partition_of
from tidings.service.tables import following
from tidings.service.tables.columns import Columns
from tidings.service.tables.ownership import Ownership
from tidings.service.tables.positions import Positions
from tidings.service.tables.replica import Replica, Row, StoredKey, stored_key
from tidings.service.transports.base import Place

T = TypeVar("T")
D = TypeVar("D")

AT_TIMEOUT_S = 5.0
CACHED_ROWS_MAX = 10_000


class NotHereError(TidingsError):
    """The rows of this key's partition are with another process of the service, or not restored yet."""


class Version(NamedTuple, Generic[T]):
    """What a key was once."""

    event: T | None
    """None where the key was removed."""
    position: Position
    id: str | None
    time_ms: int
    """When it was emitted, in milliseconds since the epoch."""


class Table(Generic[T]):
    """Read like a dictionary, from any thread: `table[key]`, `get`, `in`, `len`, `items`, `values`, iteration (keys).

    Keys are given as the event declares them (a str, an int, a UUID …) and come back as text. Reading costs no network.
    A service must be running, or have run, for there to be anything in it. Raises DeclarationError for an index on what
    is no field.
    """

    def __init__(
        self,
        declared: EventType[T],
        folder: Callable[[], Path],
        indexes: Collection[str] = (),
        history: int = 1,
        *,
        partitioned: bool = False,
    ) -> None:
        if history < 1:
            raise DeclarationError(f"a table of {declared.name} keeps at least one version, not {history}")
        self.declared = declared
        self.versions = history
        self.partitioned = partitioned
        """It holds the rows of those partitions only that this process owns."""
        self._ownership: Ownership | None = None
        self._columns = Columns(declared.name, declared.fields, indexes)
        self._folder = folder
        self._replica: Replica | None = None
        self._opening = threading.Lock()
        self._positions = Positions(declared.stream, f"the table of {declared.name}")
        self._cache: dict[StoredKey, T] = {}
        self._cache_lock = threading.Lock()
        self._changes = 0

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def indexes(self) -> tuple[str, ...]:
        return self._columns.indexes

    @property
    def copartitioned(self) -> bool:
        """Its partitions go with those of the service's own streams."""
        return self.partitioned

    @property
    def complete(self) -> frozenset[int]:
        """The partitions of which all rows are here, of a table that goes with the service's own partitions."""
        return frozenset() if self._ownership is None else self._ownership.complete

    def is_declared_as(self, other: Table[Any]) -> bool:
        mine, others = ((one._columns.indexes, one.versions, one.partitioned) for one in (self, other))
        return mine == others

    # Reading.

    def __getitem__(self, key: object) -> T:
        """The latest event of `key`. Raises KeyError; and NotHereError for a key whose rows another process has."""
        found = self._find(_stored(key))
        if found is None:
            self._check_here(key)
            raise KeyError(key)
        return found

    @overload
    def get(self, key: object, default: None = None, *, at: Position | None = None) -> T | None: ...
    @overload
    def get(self, key: object, default: D, *, at: Position | None = None) -> T | D: ...
    def get(self, key: object, default: Any = None, *, at: Position | None = None) -> Any:
        """The latest event of `key`, or `default`; with `at`, once the table has passed that position (see `at`)."""
        if at is not None:
            self.at(at).wait()
        found = self._find(_stored(key))
        if found is None:
            self._check_here(key)
            return default
        return found

    def at(self, position: Position, *, timeout_s: float = AT_TIMEOUT_S) -> TableAt[T]:
        """The table once it has passed `position` (which `emit` gave), so that one reads what one wrote.

        `(await table.at(position))[key]` in async code; `table.at(position)[key]` in a thread. Raises UnavailableError
        when it takes longer than `timeout_s`.
        """
        return TableAt(self, position, timeout_s)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        return self.count()

    def count(self, within_s: float | None = None) -> int:
        """How many rows there are. Raises sqlite3.OperationalError when it takes longer than `within_s`."""
        return self._open().count(within_s)

    def __iter__(self) -> Iterator[str | bytes]:
        return (key for key, _ in self._rows())

    def keys(self) -> Iterator[str | bytes]:
        return iter(self)

    def values(self) -> Iterator[T]:
        return self.where()

    def items(self) -> Iterator[tuple[str | bytes, T]]:
        return ((key, self.declared.decode(value)) for key, value in self._rows())

    def where(self, **fields: Any) -> Iterator[T]:
        """The events whose fields have these values, by key: `customers.where(country="CH", vip=True)`.

        A list, tuple or set of values means any of them, None that there is none. Without an index on one of the fields
        every row is looked at. Raises DeclarationError for what is no field, or a value with parts.
        """
        condition = self._columns.condition(fields)
        return (self.declared.decode(value) for page in self._open().pages(*condition) for _, value in page)

    def some(
        self, fields: Mapping[str, Any], after: str | None, rows_max: int, within_s: float
    ) -> list[tuple[StoredKey, bytes]]:
        """Rows as JSON, with their keys: those that `where` finds, from behind the key `after` on.

        Raises DeclarationError as `where` does, and sqlite3.OperationalError when it takes longer than `within_s`.
        """
        condition, values = self._columns.condition(fields)
        return self._open().some(condition, values, after, rows_max, within_s)

    def raw(self, key: object) -> bytes | None:
        """The row of a key as JSON, byte for byte; None if there is none. Raises NotHereError."""
        found = self._open().get(_stored(key))
        if found is None:
            self._check_here(key)
        return found

    def sql(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """What SQLite answers; it can read only. The events are in a view with their type's name, a column a field.

        `customers.sql("SELECT country, count(*) AS n FROM CustomerChanged GROUP BY country")[0]["n"]`. Each question
        opens the file, so for single keys `table[key]` is faster by far. Raises sqlite3.Error.
        """
        return self._open().query(query, values)

    def history(self, key: object) -> list[Version[T]]:
        """The last versions of a key, the oldest first: as many as the table was declared to keep.

        Raises DeclarationError if that is the latest only. What the stream itself no longer has (retention, compaction)
        is not in a table that was made from it later.
        """
        if self.versions == 1:
            raise DeclarationError(f"the table keeps no history: service.table({self.declared.name}, history=10) does")
        return [self._version(row) for row in self._open().history(_stored(key))]

    def _version(self, row: Row) -> Version[T]:
        event = None if row.value is None else self.declared.decode(row.value)
        return Version(event, Position(self.declared.stream, row.partition, row.offset), row.id, row.time_ms)

    @property
    def path(self) -> Path:
        """The file, for any tool that reads SQLite."""
        return self._open().path

    def _rows(self) -> Iterator[tuple[StoredKey, bytes]]:
        return (row for page in self._open().pages() for row in page)

    def _find(self, key: StoredKey) -> T | None:
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        changes = self._changes
        value = (self._replica or self._open()).get(key)
        if value is None:
            return None
        event = self.declared.decode(value)
        if self.declared.frozen:  # anything else a caller might change under the next one's eyes
            with self._cache_lock:
                if self._changes == changes:
                    if len(self._cache) >= CACHED_ROWS_MAX:
                        self._cache.clear()
                    self._cache[key] = event
        return event

    def _open(self) -> Replica:
        with self._opening:
            if self._replica is None:
                self._replica = Replica.open(
                    self._folder(), self._name, self._columns, self.versions, whole=not self.partitioned
                )
                self._positions.begin(self._replica.positions())
            return self._replica

    @property
    def _name(self) -> str:
        return f"{self.declared.stream}.{self.declared.name}"

    def _check_here(self, key: object) -> None:
        """A key that was not found may be with another process."""
        owned, current = self._ownership, handled()
        if owned is None or not self.partitioned:
            return
        encoded = encode_key(key)
        if current is not None and current.item.received.key == encoded:
            return  # what is handled here has its rows here, wherever its producer has put it
        partition = partition_of(encoded, owned.count)
        if partition not in owned.complete:
            raise NotHereError(f"{key!r} is in partition {partition} of {self.declared.stream}, not kept here")

    # Keeping up.

    async def follow(self, means: following.Means, caught_up: asyncio.Event) -> None:
        """Read the stream into the file for as long as it runs; `caught_up` is set at the end it had at first."""
        self._positions.follower = asyncio.get_running_loop()
        self._ownership = means.ownership
        await following.Following(self._followed(), means).run(caught_up)

    def _followed(self) -> following.Followed:
        return following.Followed(
            name=self.declared.name,
            stream=self.declared.stream,
            replica=self._open(),
            positions=self._positions,
            row_of=following.row_of(self.declared),
            on_changed=self._changed,
            keeper=self,
            whole=not self.partitioned,
            forgotten_after_ms=None,
        )

    def hide(self) -> None:
        """Show no rows until it is known whose they are now: those of the last run may be another's."""
        self._open().show_only(())
        self._changed(())

    def released(self, places: Collection[Place]) -> None:
        """See `Keeper`."""
        self._changed(())

    @property
    def is_behind(self) -> bool:
        """See `Keeper`."""
        return False

    def _changed(self, rows: Collection[Row]) -> None:
        with self._cache_lock:
            self._changes += 1
            if len(rows) < len(self._cache) and rows:
                for row in rows:
                    self._cache.pop(row.key, None)
            else:
                self._cache.clear()

    @property
    def positions(self) -> dict[int, int]:
        """The offset that comes next in each partition that is kept."""
        positions = self._positions.as_dict()
        if not self.partitioned or self._ownership is None:
            return positions
        ours = self._ownership.partitions
        return {partition: offset for partition, offset in positions.items() if partition in ours}

    def has_passed(self, position: Position) -> bool:
        """Whether the event at `position` is in the table, or a later one of its key."""
        return self._positions.have_passed(position)

    def wait_for(self, position: Position, timeout_s: float) -> None:
        """Block the thread until the table has passed `position`. Raises UnavailableError."""
        self._positions.wait_for(position, timeout_s)

    async def passed(self, position: Position, timeout_s: float) -> None:
        """The same in async code."""
        await self._positions.until_passed(position, timeout_s)

    def close(self) -> None:
        """Let go of the file; it is opened again when somebody reads."""
        with self._opening:
            self._positions.follower = None
            self._ownership = None
            if self._replica is not None:
                self._replica.close()
                self._replica = None
        self._changed(())

    def __repr__(self) -> str:
        return f"<table of {self.declared.name}>"


def _stored(key: object) -> StoredKey:
    return key if type(key) is str else stored_key(encode_key(key))


class TableAt(Generic[T]):
    """A table, to be read once it has passed a position."""

    def __init__(self, table: Table[T], position: Position, timeout_s: float) -> None:
        self._table = table
        self._position = position
        self._timeout_s = timeout_s

    def wait(self) -> Table[T]:
        self._table.wait_for(self._position, self._timeout_s)
        return self._table

    def __getitem__(self, key: object) -> T:
        return self.wait()[key]

    def get(self, key: object, default: Any = None) -> Any:
        return self.wait().get(key, default)

    def __await__(self) -> Generator[Any, None, Table[T]]:
        return self._passed().__await__()

    async def _passed(self) -> Table[T]:
        await self._table.passed(self._position, self._timeout_s)
        return self._table
