"""Bringing letters back to the handlers: those that may be tried are read from their stream again, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from tidings.service.clock import Clock, sleep
from tidings.service.dead_letters import dead_letters_of, original
from tidings.service.parking.letters import Chain, Letter, LetterId, read_letter
from tidings.service.parking.parking import Parking
from tidings.service.transports.base import Received, Transport

log = logging.getLogger("tidings.service")

Deliver = Callable[[Received, LetterId], bool]
"""Puts a letter's record into the lane of its key, behind what is there. False if its partition is not ours."""


class Redriving:
    """One pass over the stream takes the letters of all keys that are due; the next begins when more have become so.

    A pass brings the first letter of a key, and all behind it that may run: when the turn of those comes, they find
    that the one before them was handled, or are left alone.
    """

    def __init__(
        self,
        service: str,
        transport: Transport,
        parking: Parking,
        clock: Clock,
        room: Callable[[], Awaitable[None]],
        deliver: Deliver,
    ) -> None:
        self._service = service
        self._stream = dead_letters_of(service)
        self._transport = transport
        self._parking = parking
        self._clock = clock
        self._room = room
        self._deliver = deliver
        self._due = asyncio.Event()

    def look(self) -> None:
        """Something may be due."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            if firsts := self._parking.due():
                await self._pass(firsts)

    async def _pass(self, firsts: Sequence[Letter]) -> None:
        chains = {letter.chain for letter in firsts}
        expected = {letter.id for letter in firsts}
        at, end = min(letter.number for letter in firsts), self._parking.read_to
        reader = self._transport.reader(self._stream, {0: at})
        try:
            while at < end:
                batch = await reader.poll()
                for record in batch.records:
                    if (letter_id := await self._bring(record, chains)) is not None:
                        expected.discard(letter_id)
                    at = record.offset + 1
                at = max(at, batch.ends.get((self._stream, 0), 0))
        finally:
            await reader.close()
        for letter_id in expected:
            self._note_missing(letter_id)

    async def _bring(self, record: Received, chains: Collection[Chain]) -> LetterId | None:
        """Bring the letter in a record if it is wanted; returns which one it is."""
        letter = read_letter(record)
        if letter is None or letter.chain not in chains or not self._parking.may_bring(letter.id):
            return None if letter is None else letter.id
        if (per_s := self._parking.pace_per_s) is not None:
            await sleep(self._clock, 1 / per_s)
        await self._room()
        if self._parking.bring(letter.id) and not self._deliver(original(record), letter.id):
            self._parking.not_brought(letter.id)
        return letter.id

    def _note_missing(self, letter_id: LetterId) -> None:
        """Somebody has shortened the stream, and the letter with it."""
        log.error(
            "%s: the letter of %s is not in %s any more: its key waits until it is dropped",
            self._service, letter_id, self._stream,
        )  # fmt: skip
        self._parking.is_missing(letter_id)
