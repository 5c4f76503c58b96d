"""Keeping a table up to date: its stream is read into its file, for as long as its service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tidings.events.declaration import EventType
from tidings.events.envelope import ID, TYPE, text_of
from tidings.events.record import type_name_of
from tidings.events.serdes import DecodeError
from tidings.service.tables.positions import Positions
from tidings.service.tables.replica import Replica, Row, stored_key
from tidings.service.transports.base import Batch, Reader, Received, Transport

log = logging.getLogger("tidings.service")

CATCH_UP_ROWS_MAX = 100_000
CATCH_UP_BYTES_MAX = 32 * 1_048_576
"""What is written in one go before the end is reached: with a transaction for every poll it took four times as long."""

OnUndecodable = Callable[[Received, DecodeError], Awaitable[None]]

InThread = Callable[..., Awaitable[Any]]
"""Calls a function with arguments, and waits for it without stopping the event loop: `asyncio.to_thread`."""

OnChanged = Callable[[Sequence[Row]], None]
"""Told which rows have changed in the file; with none, that all may have."""


class Following:
    """One reading of a table's stream, from where its file stands."""

    def __init__(
        self,
        declared: EventType[Any],
        replica: Replica,
        positions: Positions,
        on_changed: OnChanged,
        on_undecodable: OnUndecodable,
        in_thread: InThread,
    ) -> None:
        self._declared = declared
        self._replica = replica
        self._positions = positions
        self._on_changed = on_changed
        self._on_undecodable = on_undecodable
        self._in_thread = in_thread
        self._rows: list[Row] = []
        self._rows_bytes = 0
        """What was read and not yet written."""
        self._read_to: dict[int, int] = {}
        """How far the stream was read."""

    async def run(self, transport: Transport, caught_up: asyncio.Event) -> None:
        """Does not end of itself; `caught_up` is set at the end that the stream had at first."""
        ends, offsets = await self._begin(transport)
        reader = transport.reader(self._declared.stream, offsets)
        try:
            await self._catch_up(reader, ends)
            caught_up.set()
            while True:
                await self._take(await reader.poll())
                await self._write()
        finally:
            await reader.close()

    async def _begin(self, transport: Transport) -> tuple[Mapping[int, int], dict[int, int]]:
        """The ends to be caught up with, and the offsets to read from."""
        declared, replica = self._declared, self._replica
        state = await transport.stream_state(declared.stream)
        known = replica.positions()
        another = not replica.belongs_to(declared.stream, state.id, declared.name)
        if another or any(offset > state.ends.get(partition, 0) for partition, offset in known.items()):
            if known:
                log.warning("%s is not what table %s was made of: read anew", declared.stream, replica.path.name)
            replica.begin_anew(declared.stream, state.id, declared.name)
            known = {}
            self._on_changed(())
        offsets = {partition: max(begin, known.get(partition, 0)) for partition, begin in state.begins.items()}
        self._positions.begin(offsets)
        self._read_to = dict(offsets)
        return state.ends, offsets

    async def _catch_up(self, reader: Reader, ends: Mapping[int, int]) -> None:
        """Write much at a time, and read on meanwhile."""
        if self._positions.have_reached(ends):
            return
        await self._in_thread(self._replica.expect_many_rows, True)
        writing = asyncio.ensure_future(self._write())
        try:
            while any(self._read_to.get(partition, 0) < end for partition, end in ends.items()):
                await self._take(await reader.poll())
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
        for record in batch.records:
            try:
                row = row_of(self._declared, record)
            except DecodeError as error:
                await self._on_undecodable(record, error)
                continue
            if row is not None:
                self._rows.append(row)
                self._rows_bytes += len(row.value or b"")
        self._read_to.update((record.partition, record.offset + 1) for record in batch.records)
        self._read_to.update((partition, offset) for (_, partition), offset in batch.ends.items())

    async def _write(self) -> None:
        """What was taken goes into the file, and then is there for all to see."""
        rows, positions = self._rows, dict(self._read_to)
        self._rows, self._rows_bytes = [], 0
        await self._in_thread(self._replica.apply, rows, positions)
        if rows:
            self._on_changed(rows)
        self._positions.move(positions)


def row_of(declared: EventType[Any], record: Received) -> Row | None:
    """The change a record means for a table; None if it is of another type. Raises DecodeError."""
    if record.key is None:
        raise DecodeError("a table's record has no key")
    key = stored_key(record.key)
    if record.value is None:
        return Row(key, None, record.partition, record.offset, None, record.timestamp_ms)
    headers = dict(record.headers or ())
    if (text_of(headers, TYPE) or type_name_of(record.stream, None)) != declared.name:
        return None
    declared.decode(record.value)
    return Row(key, record.value, record.partition, record.offset, text_of(headers, ID), record.timestamp_ms)
