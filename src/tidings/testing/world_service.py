"""A service in a world: kept running, started again after each crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidings.events.ids import NewId
from tidings.service.clock import Clock
from tidings.service.surroundings import Surroundings
from tidings.service.transports.base import Transport
from tidings.service.transports.memory import MemoryBroker
from tidings.testing.world_faults import Fate
from tidings.testing.world_transport import Life

if TYPE_CHECKING:
    from tidings.service.service import Service

DOWN_S = (0.1, 3.0)
"""How long a service that crashed stays down."""


async def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class Inhabitant:
    """Moves a service into the world, and back to where it was."""

    def __init__(self, service: Service, broker: MemoryBroker, clock: Clock, fate: Fate) -> None:
        self.service = service
        self.crashes = 0
        self._broker = broker
        self._clock = clock
        self._fate = fate
        self._visits: set[asyncio.Task[None]] = set()
        self._life: Life | None = None
        self._task: asyncio.Task[None] | None = None
        self._before: Surroundings | None = None

    def move_in(self, folder: Path, new_id: NewId, chance: Callable[[], float]) -> None:
        """Raises DeclarationError if the service runs elsewhere."""
        self._before = self.service.move(
            Surroundings(
                self._transport, self._clock, lambda: folder, new_id, chance, in_thread=_at_once, processes=False
            )
        )

    async def move_out(self) -> None:
        """Whatever becomes of what it was doing."""
        if self._before is not None:
            before, self._before = self._before, None
            try:
                await self.kill()
                for visit in list(self._visits):
                    visit.cancel()
                await asyncio.gather(*self._visits, return_exceptions=True)
            finally:
                self.service.move(before)

    def _transport(self) -> Transport:
        return self._broker.transport() if self._life is None else self._life.transport()

    # Running.

    @property
    def wanted(self) -> bool:
        """Whether it runs, or will again."""
        return self._task is not None

    @property
    def settled(self) -> bool:
        """Whether there is nothing for it to do, or it is not there to do it."""
        if not self.wanted:
            return True
        busy = self._visits or self._life is None or self._life.on_the_way or self.service.in_hand
        return self.service.ready and not busy

    @property
    def waits_outside(self) -> bool:
        """Whether a handler waits for something that is no acknowledgement."""
        return self.service.at_work > 0 and self._life is not None and not self._life.on_the_way

    def start(self) -> None:
        """Keep it running from now on. To be called in the world's time."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name=f"tidings-world-{self.service.name}")

    async def _keep(self) -> None:
        while True:
            self._life = Life(self._broker, self._clock, self._fate, self._visits)
            await self.service.start(wait_s=0)
            failed = asyncio.ensure_future(self.service.until_failed())
            try:
                await asyncio.wait((failed, self._life.over), return_when=asyncio.FIRST_COMPLETED)
                if failed.done():
                    failed.result()
            finally:
                failed.cancel()
            await self._crash()
            self.crashes += 1
            await asyncio.sleep(self._fate.between(DOWN_S))

    async def _crash(self) -> None:
        if self._life is not None:
            self._life.end()
            self._life = None
        await self.service.halt()

    def check(self) -> None:
        """Raises what the service fell over, if it did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Stop in good order; what is emitted meanwhile waits for it."""
        await self._end_task()
        await self.service.stop()
        self._life = None

    async def kill(self) -> None:
        await self._end_task()
        await self._crash()

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
