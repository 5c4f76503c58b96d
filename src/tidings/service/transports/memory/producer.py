"""Writing in memory, record by record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.errors import UnavailableError
from tidings.service.transports.base import Done, Outcome, Outgoing, RefusedError

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker


class MemoryProducer:
    def __init__(self, broker: MemoryBroker, *, patient: bool) -> None:
        self._broker = broker
        self._patient = patient

    def send(self, records: Sequence[Outgoing], done: Done) -> None:
        if self._patient or not self._broker.away:
            self._broker.when_there(lambda: self._send(records, done))
        else:
            away: list[Outcome] = [UnavailableError("the broker is away") for _ in records]
            asyncio.get_running_loop().call_soon(done, away)

    def _send(self, records: Sequence[Outgoing], done: Done) -> None:
        outcomes = [self._write(record) for record in records]
        asyncio.get_running_loop().call_soon(done, outcomes)

    def _write(self, record: Outgoing) -> Outcome:
        try:
            return self._broker.append(record)
        except RefusedError as error:
            return error

    async def close(self, flush_s: float) -> None:
        pass
