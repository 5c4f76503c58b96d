"""Reading the dead-letter stream and the ledger, for as long as the service runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from tidings.errors import UnavailableError
from tidings.service.clock import Clock, sleep
from tidings.service.dead_letters import dead_letters_of
from tidings.service.parking.ledger import Floor, ledger_of, read_entry, write_entry
from tidings.service.parking.letters import read_letter
from tidings.service.parking.parking import Parking
from tidings.service.transports.base import Outgoing, Received, StreamState, Transport

log = logging.getLogger("tidings.service")

AGAIN_S = 1.0
FLOOR_EVERY_LETTERS = 10_000
"""How many settled letters lie at the beginning of the stream before it is noted that nobody need read them."""

Send = Callable[[Outgoing], None]
"""Writes a record, some time."""


class Following:
    """Keeps a `Parking` up to date."""

    def __init__(self, service: str, transport: Transport, parking: Parking, clock: Clock, send: Send) -> None:
        self._service = service
        self._transport = transport
        self._parking = parking
        self._clock = clock
        self._send = send
        self._letters = dead_letters_of(service)
        self._ledger = ledger_of(service)
        self._read_to = {self._letters: 0, self._ledger: 0}
        self._moved = asyncio.Event()
        self._assigned = asyncio.Event()

    def look(self) -> None:
        """Partitions have come."""
        self._assigned.set()

    async def read_ledger(self) -> None:
        """Until cancelled."""
        begin = (await self._state(self._ledger)).begins.get(0, 0)
        await self._read(self._ledger, begin, self._take_entry)

    async def read_letters(self) -> None:
        """Until cancelled. Waits for the ledger first: it says where to begin."""
        await self._catch_up([self._ledger])
        state = await self._state(self._letters)
        begin = max(state.begins.get(0, 0), min(self._parking.floor, state.ends.get(0, 0)))
        await self._read(self._letters, begin, self._take_letter)

    async def get_to_know(self) -> None:
        """Until cancelled: when partitions have come, find out all that others had decided about them."""
        while True:
            await self._assigned.wait()
            self._assigned.clear()
            assignments = self._parking.unknown
            await self._catch_up([self._ledger, self._letters])
            self._parking.known(assignments)
            self._raise_floor()

    async def _catch_up(self, streams: Collection[str]) -> None:
        """Read up to where the streams end now."""
        ends = {stream: (await self._state(stream)).ends.get(0, 0) for stream in streams}
        while any(self._read_to[stream] < end for stream, end in ends.items()):
            self._moved.clear()
            await self._moved.wait()

    async def _read(self, stream: str, begin: int, take: Callable[[Received], None]) -> None:
        self._move(stream, begin)
        reader = self._transport.reader(stream, {0: begin})
        try:
            while True:
                batch = await reader.poll()
                for record in batch.records:
                    take(record)
                next_offset = batch.records[-1].offset + 1 if batch.records else 0
                self._move(stream, max(next_offset, batch.ends.get((stream, 0), 0)))
        finally:
            await reader.close()

    def _take_letter(self, record: Received) -> None:
        if (letter := read_letter(record)) is not None:
            self._parking.read(letter)

    def _take_entry(self, record: Received) -> None:
        if (entry := read_entry(record)) is not None:
            self._parking.read(entry)
        elif record.value is not None:
            log.warning("%s: %s/0/%d is no entry of a ledger", self._service, self._ledger, record.offset)

    def _move(self, stream: str, offset: int) -> None:
        self._read_to[stream] = max(self._read_to[stream], offset)
        if stream == self._letters:
            self._parking.read_up_to(offset)
        self._moved.set()

    def _raise_floor(self) -> None:
        lowest = self._parking.lowest
        if lowest - self._parking.floor >= FLOOR_EVERY_LETTERS:
            self._send(write_entry(self._service, Floor(lowest)))

    async def _state(self, stream: str) -> StreamState:
        """How a stream stands, as soon as the broker tells."""
        told = False
        while True:
            try:
                return await self._transport.stream_state(stream)
            except UnavailableError as error:
                if not told:
                    log.warning("%s waits for the broker to see its dead letters: %s", self._service, error)
                    told = True
                await sleep(self._clock, AGAIN_S)
