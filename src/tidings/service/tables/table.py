"""Tables: a service's own copy of what another one says about its things (event-carried state transfer).

    customers = shipping.table(CustomerChanged)
    customer = customers[order.customer_id]

The latest event of each key, kept in a local file and always brought up to date; a record without a value removes its
key. Every process of a service keeps the whole stream.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from tidings.errors import TidingsError, UnavailableError
from tidings.events.declaration import EventType
from tidings.events.envelope import Envelope
from tidings.events.keys import encode_key
from tidings.events.position import Position
from tidings.events.record import type_name_of
from tidings.events.serdes import DecodeError
from tidings.service.tables.replica import Replica, Row, StoredKey, stored_key
from tidings.service.transports.base import Batch, Reader, Received, Transport

log = logging.getLogger("tidings.service")

T = TypeVar("T")
D = TypeVar("D")

AT_TIMEOUT_S = 5.0
CACHED_ROWS_MAX = 10_000

OnUndecodable = Callable[[Received, DecodeError], Awaitable[None]]

InThread = Callable[..., Awaitable[Any]]
"""Calls a function with arguments, and waits for it without stopping the event loop: `asyncio.to_thread`."""


class Table(Generic[T]):
    """Read like a dictionary, from any thread: `table[key]`, `get`, `in`, `len`, `items`, `values`, iteration (keys).

    Keys are given as the event declares them (a str, an int, a UUID …) and come back as text. Reading costs no network.
    A service must be running, or have run, for there to be anything in it.
    """

    def __init__(self, declared: EventType[T], folder: Callable[[], Path]) -> None:
        self.declared = declared
        self._folder = folder
        self._replica: Replica | None = None
        self._opening = threading.Lock()
        self._positions: dict[int, int] = {}
        self._passed = threading.Condition()
        self._waiting: list[tuple[Position, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cache: dict[StoredKey, T] = {}
        self._cache_lock = threading.Lock()
        self._changes = 0

    # Reading.

    def __getitem__(self, key: object) -> T:
        """The latest event of `key`. Raises KeyError."""
        found = self._find(stored_key(encode_key(key)))
        if found is None:
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
        found = self._find(stored_key(encode_key(key)))
        return default if found is None else found

    def at(self, position: Position, *, timeout_s: float = AT_TIMEOUT_S) -> TableAt[T]:
        """The table once it has passed `position` (which `emit` gave), so that one reads what one wrote.

        `(await table.at(position))[key]` in async code; `table.at(position)[key]` in a thread. Raises UnavailableError
        when it takes longer than `timeout_s`.
        """
        return TableAt(self, position, timeout_s)

    def __contains__(self, key: object) -> bool:
        return self._find(stored_key(encode_key(key))) is not None

    def __len__(self) -> int:
        return self._open().count()

    def __iter__(self) -> Iterator[str | bytes]:
        return (key for key, _ in self._rows())

    def keys(self) -> Iterator[str | bytes]:
        return iter(self)

    def values(self) -> Iterator[T]:
        return (self.declared.decode(value) for _, value in self._rows())

    def items(self) -> Iterator[tuple[str | bytes, T]]:
        return ((key, self.declared.decode(value)) for key, value in self._rows())

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
        value = self._open().get(key)
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
                self._replica = Replica.open(self._folder(), f"{self.declared.stream}.{self.declared.name}")
                self._positions = self._replica.positions()
            return self._replica

    # Keeping up.

    async def follow(
        self,
        transport: Transport,
        on_undecodable: OnUndecodable,
        caught_up: asyncio.Event,
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        """Read the stream into the file for as long as it runs; `caught_up` is set at the end it had at first."""
        self._loop = asyncio.get_running_loop()
        replica = self._open()
        ends, offsets = await self._begin(transport, replica)
        reader = transport.reader(self.declared.stream, offsets)
        try:
            await self._read(reader, replica, ends, on_undecodable, caught_up, in_thread)
        finally:
            await reader.close()

    async def _begin(self, transport: Transport, replica: Replica) -> tuple[Mapping[int, int], dict[int, int]]:
        """The ends to be caught up with, and the offsets to read from."""
        stream = self.declared.stream
        state = await transport.stream_state(stream)
        known = replica.positions()
        another = not replica.belongs_to(stream, state.id, self.declared.name)
        if another or any(offset > state.ends.get(partition, 0) for partition, offset in known.items()):
            if known:
                log.warning("stream %s is not the one that table %s was made of: read anew", stream, replica.path.name)
            replica.begin_anew(stream, state.id, self.declared.name)
            known = {}
            self._forget()
        offsets = {partition: max(begin, known.get(partition, 0)) for partition, begin in state.begins.items()}
        self._positions = dict(offsets)
        return state.ends, offsets

    async def _read(
        self,
        reader: Reader,
        replica: Replica,
        ends: Mapping[int, int],
        on_undecodable: OnUndecodable,
        caught_up: asyncio.Event,
        in_thread: InThread,
    ) -> None:
        while True:
            if not caught_up.is_set() and all(self._positions.get(p, 0) >= end for p, end in ends.items()):
                caught_up.set()
            batch = await reader.poll()
            rows, undecodable = self._rows_of(batch)
            for record, error in undecodable:
                await on_undecodable(record, error)
            positions = {record.partition: record.offset + 1 for record in batch.records}
            positions |= {partition: offset for (_, partition), offset in batch.ends.items()}
            await in_thread(replica.apply, rows, positions)
            self._moved(rows, positions)

    def _rows_of(self, batch: Batch) -> tuple[list[Row], list[tuple[Received, DecodeError]]]:
        rows, undecodable = [], []
        for record in batch.records:
            try:
                row = self._row_of(record)
            except DecodeError as error:
                undecodable.append((record, error))
            else:
                if row is not None:
                    rows.append(row)
        return rows, undecodable

    def _row_of(self, record: Received) -> Row | None:
        """The change a record means; None if it is of another type. Raises DecodeError."""
        if record.key is None:
            raise DecodeError("a table's record has no key")
        key = stored_key(record.key)
        if record.value is None:
            return Row(key, None, record.partition, record.offset, None, record.timestamp_ms)
        envelope = Envelope(record.headers)
        if (envelope.type or type_name_of(record.stream, None)) != self.declared.name:
            return None
        self.declared.decode(record.value)
        return Row(key, record.value, record.partition, record.offset, envelope.id, record.timestamp_ms)

    def _moved(self, rows: list[Row], positions: Mapping[int, int]) -> None:
        with self._cache_lock:
            self._changes += 1
            for row in rows:
                self._cache.pop(row.key, None)
        with self._passed:
            self._positions.update(positions)
            self._passed.notify_all()
        self._waiting = [waiting for waiting in self._waiting if not self._release(*waiting)]

    def _release(self, position: Position, waiting: asyncio.Future[None]) -> bool:
        if not self.has_passed(position):
            return False
        if not waiting.done():
            waiting.set_result(None)
        return True

    def _forget(self) -> None:
        with self._cache_lock:
            self._changes += 1
            self._cache.clear()

    # Waiting for a position.

    @property
    def positions(self) -> Mapping[int, int]:
        """The offset that comes next in each partition that was read."""
        return self._positions

    def has_passed(self, position: Position) -> bool:
        """Whether the event at `position` is in the table, or a later one of its key."""
        if position.stream != self.declared.stream:
            raise TidingsError(f"{position} is not in {self.declared.stream}, which the table is of")
        return self._positions.get(position.partition, 0) > position.offset

    def wait_for(self, position: Position, timeout_s: float) -> None:
        """Block the thread until the table has passed `position`. Raises UnavailableError."""
        if self.has_passed(position):
            return
        if _in_event_loop():
            raise RuntimeError("waiting here would stop the event loop: write (await table.at(position))[key]")
        with self._passed:
            if not self._passed.wait_for(lambda: self.has_passed(position), timeout_s):
                raise self._late(position, timeout_s)

    async def passed(self, position: Position, timeout_s: float) -> None:
        """The same in async code."""
        if self.has_passed(position):
            return
        loop = asyncio.get_running_loop()
        if self._loop is not None and loop is not self._loop:
            await asyncio.to_thread(self.wait_for, position, timeout_s)
            return
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting.append((position, waiting))
        try:
            async with asyncio.timeout(timeout_s):
                await waiting
        except TimeoutError:
            raise self._late(position, timeout_s) from None
        finally:
            self._waiting = [other for other in self._waiting if other[1] is not waiting]

    def _late(self, position: Position, timeout_s: float) -> UnavailableError:
        return UnavailableError(f"the table of {self.declared.name} did not reach {position} within {timeout_s:g} s")

    def close(self) -> None:
        """Let go of the file; it is opened again when somebody reads."""
        with self._opening:
            self._loop = None
            if self._replica is not None:
                self._replica.close()
                self._replica = None
        self._forget()

    def __repr__(self) -> str:
        return f"<table of {self.declared.name}>"


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


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
