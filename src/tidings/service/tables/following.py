"""Keeping a table up to date: its stream is read into its file, for as long as its service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidings.events.declaration import EventType
from tidings.events.envelope import ID, TYPE
from tidings.events.record import type_name_of
from tidings.events.serdes import DecodeError
from tidings.service.rarely_collected import rarely_collected
from tidings.service.tables.ownership import Keeper, Ownership
from tidings.service.tables.positions import Positions
from tidings.service.tables.replica import Replica, Row, stored_key
from tidings.service.transports.base import Batch, Reader, Received, StreamState, Transport

log = logging.getLogger("tidings.service")

CATCH_UP_ROWS_MAX = 100_000
CATCH_UP_BYTES_MAX = 32 * 1_048_576
"""What is written in one go before the end is reached: with a transaction for every poll it took four times as long."""

OnUndecodable = Callable[[Received, DecodeError], Awaitable[None]]

InThread = Callable[..., Awaitable[Any]]
"""Calls a function with arguments, and waits for it without stopping the event loop: `asyncio.to_thread`."""

RowOf = Callable[[Received], Row | None]
"""The change that a record means for a table; None if it means none. Raises DecodeError."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A table, as far as following it goes."""

    name: str
    """Of what its rows are."""
    stream: str
    replica: Replica
    positions: Positions
    row_of: RowOf
    on_changed: Callable[[Sequence[Row]], None]
    """Told which rows have changed in the file; with none, that all may have."""
    keeper: Keeper
    whole: bool
    """It keeps all partitions, whoever owns them."""
    forgotten_after_ms: int | None
    """How long the stream tells of what was removed: a file that stood still for longer is behind it for ever. None
    where nobody knows."""


@dataclass(frozen=True, slots=True)
class Means:
    """What following takes from the service."""

    transport: Transport
    on_undecodable: OnUndecodable
    in_thread: InThread
    now_ms: Callable[[], int]
    ownership: Ownership | None = None
    """What the service's own partitions are; None for tables that have nothing to do with them."""


class Following:
    """One reading of a table's stream, from where its file stands."""

    def __init__(self, table: Followed, means: Means) -> None:
        self._table = table
        self._replica = table.replica
        self._means = means
        self._ownership = means.ownership
        self._in_thread = means.in_thread
        self._rows: list[Row] = []
        self._rows_bytes = 0
        """What was read and not yet written."""
        self._read_to: dict[int, int] = {}
        """How far the stream was read."""
        self._begins: Mapping[int, int] = {}
        self._followed: frozenset[int] = frozenset()
        self._shown: frozenset[int] | None = None
        self._polling: asyncio.Future[Batch] | None = None

    async def run(self, caught_up: asyncio.Event) -> None:
        """Does not end of itself; `caught_up` is set at the end that the stream had at first: of a table that follows
        the service's partitions, the end they had when they were dealt."""
        state = await self._begin()
        while True:
            partitions = self._partitions()
            await self._forget_stale(partitions - self._followed)
            self._followed = partitions
            if self._ownership is not None and not partitions:
                await self._wait_for_partitions(self._ownership)
                continue
            offsets = {partition: self._read_to[partition] for partition in sorted(partitions)}
            reader = self._means.transport.reader(self._table.stream, offsets)
            try:
                while self._partitions() == partitions:
                    await self._keep_up(reader, partitions, state, caught_up)
            finally:
                if self._polling is not None:
                    self._polling.cancel()
                    self._polling = None
                await reader.close()

    async def _wait_for_partitions(self, ownership: Ownership) -> None:
        if self._partitions():
            return  # dealt meanwhile
        deal = ownership.deal
        await self._show(frozenset())
        ownership.restored(self._table.keeper, deal)
        await ownership.dealt_anew(deal)

    def _partitions(self) -> frozenset[int]:
        """Those that are to be followed."""
        everything = frozenset(self._begins)
        if self._ownership is None or self._table.whole:
            return everything
        return everything & self._ownership.partitions

    @property
    def _deal(self) -> int:
        return 0 if self._ownership is None else self._ownership.deal

    async def _begin(self) -> StreamState:
        table, replica = self._table, self._replica
        state = await self._means.transport.stream_state(table.stream)
        known = replica.positions()
        another = not replica.belongs_to(table.stream, state.id, table.name)
        if another or any(offset > state.ends.get(partition, 0) for partition, offset in known.items()):
            if known:
                log.warning("%s is not what table %s was made of: read anew", table.stream, replica.path.name)
            replica.begin_anew(table.stream, state.id, table.name)
            known = {}
            table.on_changed(())
        self._begins = state.begins
        self._read_to = {partition: max(begin, known.get(partition, 0)) for partition, begin in state.begins.items()}
        table.positions.begin(self._read_to)
        return state

    async def _forget_stale(self, partitions: Collection[int]) -> None:
        """Read anew what stood still for so long that the stream may no longer tell of all that was removed."""
        if self._table.forgotten_after_ms is None:
            return
        since_ms = self._means.now_ms() - self._table.forgotten_after_ms
        known_ms = await self._in_thread(self._replica.known_ms)
        stale = [one for one in partitions if known_ms.get(one, since_ms) < since_ms]
        if stale:
            await self._in_thread(self._replica.forget, stale)
            begins = {partition: self._begins[partition] for partition in stale}
            self._read_to.update(begins)
            self._table.positions.move(begins)
            self._table.on_changed(())

    async def _keep_up(
        self, reader: Reader, partitions: frozenset[int], state: StreamState, caught_up: asyncio.Event
    ) -> None:
        """Follow these until the service's partitions are dealt anew."""
        deal = self._deal
        await self._show(partitions & (self._shown or frozenset()))
        ends = state.ends
        if self._ownership is not None:  # the last owner's last transaction may be over, and not show yet
            ends = await self._means.transport.written_ends(self._table.stream)
        await self._catch_up(reader, {one: end for one, end in ends.items() if one in partitions}, deal)
        if deal != self._deal:
            return
        await self._show(partitions)
        if self._ownership is not None:
            self._ownership.restored(self._table.keeper, deal)
        caught_up.set()
        while (batch := await self._poll(reader, deal)) is not None:
            await self._take(batch)
            await self._write()

    async def _show(self, partitions: frozenset[int]) -> None:
        """Rows of other partitions stay in the file, for when they come back; but nobody is to take them for the
        latest."""
        if not self._table.whole and partitions != self._shown:
            await self._in_thread(self._replica.show_only, partitions)
            self._table.on_changed(())
            self._shown = partitions

    async def _poll(self, reader: Reader, deal: int) -> Batch | None:
        """What the reader has next; None once it is not that deal any more."""
        if self._ownership is None:
            return await reader.poll()
        if deal != self._deal:
            return None
        polling = self._polling or asyncio.ensure_future(reader.poll())
        self._polling = polling  # what it may have read already is not to be lost
        dealing = asyncio.ensure_future(self._ownership.dealt_anew(deal))
        try:
            await asyncio.wait((polling, dealing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            dealing.cancel()
        if not polling.done():
            return None
        self._polling = None
        return polling.result()

    async def _catch_up(self, reader: Reader, ends: Mapping[int, int], deal: int) -> None:
        """Write much at a time, and read on meanwhile."""
        if self._table.positions.have_reached(ends):
            return
        await self._in_thread(self._replica.expect_many_rows, True)
        writing = asyncio.ensure_future(self._write())
        try:
            with rarely_collected():
                while any(self._read_to.get(partition, 0) < end for partition, end in ends.items()):
                    batch = await self._poll(reader, deal)
                    if batch is None:
                        break
                    await self._take(batch)
                    if self._is_much():
                        await writing
                        writing = asyncio.ensure_future(self._write())
                await writing
                await self._write()
        finally:
            writing.cancel()
            await asyncio.wait([writing])
            await self._in_thread(self._replica.expect_many_rows, False)

    def _is_much(self) -> bool:
        return len(self._rows) >= CATCH_UP_ROWS_MAX or self._rows_bytes >= CATCH_UP_BYTES_MAX

    async def _take(self, batch: Batch) -> None:
        rows, row_of, read_to, rows_bytes = self._rows, self._table.row_of, self._read_to, 0
        for record in batch.records:
            try:
                row = row_of(record)
            except DecodeError as error:
                await self._means.on_undecodable(record, error)
                rows = self._rows  # they may have been written meanwhile
                row = None
            if row is not None:
                rows.append(row)
                rows_bytes += len(row.value or b"")
            read_to[record.partition] = record.offset + 1
        self._rows_bytes += rows_bytes
        self._read_to.update((partition, offset) for (_, partition), offset in batch.ends.items())

    async def _write(self) -> None:
        """What was taken goes into the file, and then is there for all to see."""
        rows, positions = self._rows, {partition: self._read_to[partition] for partition in self._followed}
        self._rows, self._rows_bytes = [], 0
        await self._in_thread(self._replica.apply, rows, positions, self._means.now_ms())
        if rows:
            self._table.on_changed(rows)
        self._table.positions.move(positions)


def row_of(declared: EventType[Any]) -> RowOf:
    """The rows that events of this type make, in a stream that may hold others."""
    type_name, decode = declared.name.encode(), declared.decode

    def row(record: Received) -> Row | None:
        stream, partition, offset, timestamp_ms, record_key, value, headers = record
        if record_key is None:
            raise DecodeError("a table's record has no key")
        named: bytes | None = None
        event_id: bytes | None = None
        for name, content in headers or ():
            if name == TYPE:
                named = content
            elif name == ID:
                event_id = content
        key = stored_key(record_key)
        if value is None:
            return Row(key, None, partition, offset, None, timestamp_ms)
        if named != type_name and (as_text(named) or type_name_of(stream, None)) != declared.name:
            return None
        decode(value)
        return Row(key, value, partition, offset, as_text(event_id), timestamp_ms)

    return row


def as_text(content: bytes | None) -> str | None:
    """What a header says; None where it is missing or no text."""
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
