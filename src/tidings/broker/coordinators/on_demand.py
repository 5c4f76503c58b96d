"""A coordinator whose log is made when it is first needed: most brokers never see a transaction or a share group."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import ClassVar

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.clock import Clock
from tidings.broker.coordinators.runtime import C, CoordinatorRuntime, Decide, R, Refuse, client_of
from tidings.broker.durability import Durability
from tidings.broker.requests.dispatch import Context
from tidings.wire.error_codes import ApiError
from tidings.wire.message import Message


class OnDemandRuntime(CoordinatorRuntime[C]):
    """`topic` names its log. Before that is there, nothing is known, and requests are answered at once."""

    topic: ClassVar[str]

    def __init__(self, coordinator: C, refuse: Refuse, catalog: Catalog, durability: Durability, clock: Clock) -> None:
        super().__init__(coordinator, refuse, durability, clock)
        self._catalog = catalog
        self._is_unused = self.topic not in catalog.topics
        self._beginning = asyncio.Lock()

    def open(self) -> None:
        """Replay the log, if there is one."""
        if not self._is_unused:
            self.start(lambda: self._catalog.partition(self.topic, 0))

    async def begin(self) -> None:
        """Make the log if there is none yet: to be called before the first decision that is to be kept."""
        if not self._is_unused:
            return
        async with self._beginning:
            if self._is_unused:
                with suppress(ApiError):  # if it cannot be made, it cannot be found either, and `open` says so
                    await self._catalog.internal_log(self.topic)
                self._is_unused = False
                self.open()

    async def close(self) -> None:
        self._is_unused = False
        await super().close()

    @property
    def is_available(self) -> bool:
        return self._is_unused or super().is_available

    def ask(
        self, decide: Decide[R], request: R, context: Context, *, shows_nothing_recorded: bool = False
    ) -> asyncio.Future[Message]:
        if not self._is_unused:
            return super().ask(decide, request, context, shows_nothing_recorded=shows_nothing_recorded)
        client = client_of(context)
        outcome = decide(request, client, self._now(), None)
        future: asyncio.Future[Message] = self._loop.create_future()
        future.set_result(outcome.replies[0][1])  # nothing is known, so there is nothing to decide
        return future
