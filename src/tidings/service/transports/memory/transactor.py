"""Transactions in memory, as a member of a group makes them: records and the group's marks, in one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tidings.errors import TidingsError
from tidings.service.transports.base import Mark, NotWrittenError, Outgoing, Place, RefusedError, StaleError
from tidings.service.transports.memory.transactions import FencedError, Transaction

if TYPE_CHECKING:
    from tidings.service.transports.memory.broker import MemoryBroker
    from tidings.service.transports.memory.consumer import MemoryConsumer
    from tidings.service.transports.memory.group import MemoryGroup

Step = Callable[[int], Awaitable[None]]
"""Awaited after each step of a transaction, with its number: 0 is its beginning, then come the records, the marks, and
its end. Tests make things happen here; LostError is what it raises when the answer to that step never comes."""


class LostError(TidingsError):
    """Nobody knows what became of a step: its answer was lost."""


async def at_once(step: int) -> None:
    """Between two steps nothing happens."""


class MemoryTransactor:
    """Its transactional id is that of its place in the group, and so of its predecessor if that crashed."""

    def __init__(self, broker: MemoryBroker, group: MemoryGroup, member: MemoryConsumer, step: Step = at_once) -> None:
        self._broker = broker
        self._group = group
        self._member = member
        self._after = step
        self._slot: int | None = group.take_slot()
        self._id = f"{group.name}-{self._slot}"
        self._epoch = -1
        broker.when_there(self._begin_anew)

    def _begin_anew(self) -> None:
        """Have nobody else under this id, and nothing open."""
        if self._slot is not None:
            self._epoch = self._broker.transactions.init(self._id)

    async def commit(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        """See `base.Transactor`. An outcome that was lost is told by the coordinator, once nothing is open."""
        generation = self._member.generation  # what comes later may be about partitions that are not ours any more
        await asyncio.sleep(0)  # an answer never comes at once
        committed = False
        while not committed:
            committed = await self._try(records, marks, generation)

    async def _try(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark], generation: int) -> bool:
        """Whether it is committed; if not, because somebody took the id, or something was lost on its way, nothing of
        it will ever be."""
        await self._broker_is_there()
        if self._slot is None:
            raise StaleError(f"{self._id} was given up")
        transaction: Transaction | None = None
        try:
            transaction = self._broker.transactions.begin(self._id, self._epoch)
            await self._run(transaction, records, marks, generation)
        except (FencedError, LostError):
            await self._broker_is_there()
            self._begin_anew()
        except (NotWrittenError, StaleError):
            if transaction is not None and transaction.is_open:
                self._broker.transactions.abort(transaction)
            raise
        return transaction is not None and transaction.is_committed

    async def _run(
        self, transaction: Transaction, records: Sequence[Outgoing], marks: Mapping[Place, Mark], generation: int
    ) -> None:
        await self._step(0)
        refused: dict[int, RefusedError] = {}
        for index, record in enumerate(records):
            try:
                self._broker.append(record, transaction)
            except RefusedError as error:
                refused[index] = error
            await self._step(1 + index)
        if refused:
            raise NotWrittenError(refused)
        self._group.commit(marks, self._member, generation, transaction)
        await self._step(1 + len(records))
        self._broker.transactions.commit(transaction)
        await self._step(2 + len(records))

    async def _step(self, number: int) -> None:
        await self._after(number)
        await self._broker_is_there()

    async def _broker_is_there(self) -> None:
        while self._broker.away:
            await self._broker.change()

    async def close(self) -> None:
        """Abort what is open."""
        if self._slot is not None:
            self._broker.when_there(lambda: self._broker.transactions.init(self._id))
            self.let_go()

    def let_go(self) -> None:
        """Leave everything as it is; the id is for somebody else now."""
        if self._slot is not None:
            self._group.free_slot(self._slot)
            self._slot = None
