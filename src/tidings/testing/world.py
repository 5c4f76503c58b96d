"""A whole workflow in one test: services as they are, no network, no waiting, and faults as a seed decides them.

async with World(orders, shipping, pricing, seed=7, faults=Faults(crash=.05, duplicate=.1)) as world:
    run = await world.emit(OrderReceived(...)).settled()
    assert run.path == [OrderReceived, OrderShipped, PriceChanged]
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from tidings.errors import DeclarationError, TidingsError
from tidings.events.declaration import event_type
from tidings.events.envelope import Envelope, source_of
from tidings.events.ids import seeded_ids
from tidings.events.position import Position
from tidings.service.clock import ManualClock
from tidings.service.dead_letters import dead_letters_of
from tidings.service.outlet import PARTITIONS, Writer
from tidings.service.parking.ledger import ledger_of, write_entry
from tidings.service.parking.letters import GIVEN_UP
from tidings.service.parking.outstanding import outstanding_in
from tidings.service.service import Service
from tidings.service.tables.table import Table
from tidings.testing.world_faults import Fate, Faults
from tidings.testing.world_log import WorldLog
from tidings.testing.world_run import DeadLetter, Run
from tidings.testing.world_service import Inhabitant
from tidings.testing.world_stuck import StuckError, backlog, undecided
from tidings.testing.world_time import VirtualTime, virtual_time

T = TypeVar("T")
R = TypeVar("R")

WITHIN_S = 3600.0
"""How much virtual time `settled` lets pass before it says what is stuck."""
PATIENCE_S = 1.0
"""How long a handler that waits for something outside (a database) is waited for before the clock runs on without it:
real time."""
LOOK_AGAIN_S = 0.0005


class World:
    """Services on a broker in memory, with a clock that moves when nothing else can.

    The services are the ones that also run on Kafka; they are moved in here and back at the end. `seed` decides every
    id, every fault and every bit of chance in the machinery; without one it is drawn, and shown if the test fails.
    Time passes only while something of the world is awaited (`settled`, `wait`, …).
    """

    def __init__(self, *services: Service, seed: int | None = None, faults: Faults | None = None) -> None:
        names = [service.name for service in services]
        if len(set(names)) != len(names):
            raise DeclarationError(f"a world has one service of each name; given: {', '.join(names)}")
        self.seed = Random().getrandbits(32) if seed is None else seed
        self.faults = faults or Faults()
        self.clock = ManualClock()
        self.broker = WorldLog(self.clock)
        fate = Fate(self.faults, self.seed)
        self._inhabitants = {service.name: Inhabitant(service, self.broker, self.clock, fate) for service in services}
        self._new_id = seeded_ids(self.seed)
        self._writer = Writer("world", self.clock, self._new_id)
        self._leaving = ExitStack()
        self._time: VirtualTime | None = None
        self._waited_in_vain: tuple[int, ...] = ()

    # Coming and going.

    async def __aenter__(self) -> Self:
        if self._time is not None:
            raise DeclarationError("this world was entered already")
        self._time = self._leaving.enter_context(virtual_time(self.clock))
        folder = _temporary_folder()
        self._leaving.callback(shutil.rmtree, folder, ignore_errors=True)
        chance = Random(f"chance {self.seed}").random
        try:
            for inhabitant in self._inhabitants.values():
                inhabitant.move_in(folder, self._new_id, chance)
            for inhabitant in self._inhabitants.values():
                self._virtual.run(inhabitant.start)
            await self._pass_until(lambda: all(one.service.ready for one in self._inhabitants.values()), WITHIN_S)
        except BaseException as error:
            await self._leave(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            error.add_note(f"in {self!r} at {self.clock.now_ms()} ms of its time: the same seed shows it again")
        failures = []
        for inhabitant in self._inhabitants.values():
            try:
                await self._in_time(inhabitant.move_out(), check=False)
            except Exception as failure:
                failures.append(failure)
        self._leaving.close()
        self._time = None
        if failures and error is None:
            raise failures[0]

    @property
    def _virtual(self) -> contextvars.Context:
        if self._time is None:
            raise TidingsError("a world is entered first: async with World(...) as world")
        return self._time.context()

    # What happens.

    def emit(self, event: object) -> Emission:
        """Record an event, as somebody outside would: it is there when this returns.

        `await` it for its position, or its `settled()` for the workflow it begins. (Services emit as they always do.)
        """
        declared = event_type(type(event))
        if declared.stream not in self.broker.streams:
            self.broker.create(declared.stream, PARTITIONS)
        record = self._writer.outgoing(declared, event)
        position = self.broker.append(record)
        return Emission(self, position, Envelope(record.headers).correlation_id or "")

    async def settled(self, *, within_s: float = WITHIN_S) -> Run:
        """Let time pass until nothing is left to deliver, to handle or to try again; returns all that has happened.

        Raises StuckError, saying what is left, when `within_s` virtual seconds are not enough; and what a service
        fell over, if one did.
        """
        await self._pass_until(self._is_settled, within_s)
        return self.run()

    async def wait(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        until_ms = self.clock.now_ms() + round(seconds * 1000)
        self.clock.call_later(seconds, lambda: None)
        await self._pass_until(lambda: self.clock.now_ms() >= until_ms, seconds + 1)

    async def stop(self, service: Service) -> None:
        """Stop a service in good order. What others emit waits for it."""
        await self._in_time(self._inhabitant(service).stop())

    async def crash(self, service: Service) -> None:
        """Stop a service dead: nothing is finished, nothing committed."""
        await self._in_time(self._inhabitant(service).kill())

    async def start(self, service: Service) -> None:
        """Start again what was stopped."""
        inhabitant = self._inhabitant(service)
        if inhabitant.wanted:
            raise DeclarationError(f"{service.name} runs already")
        self._virtual.run(inhabitant.start)
        await self._pass_until(lambda: service.ready, WITHIN_S)

    def redrive(self, service: Service) -> int:
        """Ask for all dead letters of a service to be tried again, as `tidings dead redrive --all` does. How many
        there are; those that wait behind them follow."""
        name = self._inhabitant(service).service.name
        letters = outstanding_in(self.broker.records(ledger_of(name)), self.broker.records(dead_letters_of(name)))
        asked = [letter for letter in letters if letter.state == GIVEN_UP]
        for letter in asked:
            self.broker.append(write_entry(name, letter.wish(self.clock.now_ms())))
        return len(asked)

    @property
    def crashes(self) -> int:
        """How many times the seed has stopped a service dead so far."""
        return sum(inhabitant.crashes for inhabitant in self._inhabitants.values())

    # What there is to see.

    def run(self, workflow_id: str | None = None) -> Run:
        """All that was recorded so far, or what belongs to one workflow."""
        mine = [record for workflow, record in self.broker.log if workflow_id in (None, workflow)]
        dead = {dead_letters_of(name) for name in self._inhabitants}
        return Run(
            (record for record in mine if record.stream not in dead),
            (record for record in mine if record.stream in dead),
            [source_of(name) for name in self._inhabitants],
        )

    def emitted(self, cls: type[T]) -> list[T]:
        """The events of one type, whoever emitted them."""
        return self.run().emitted(cls)

    @property
    def dead(self) -> list[DeadLetter]:
        """What was given up by any service."""
        return self.run().dead

    def table(self, service: Service, cls: type[T]) -> Table[T]:
        """A service's table, to look into."""
        return self._inhabitant(service).service.table(cls)

    def _inhabitant(self, service: Service) -> Inhabitant:
        found = self._inhabitants.get(service.name)
        if found is None or found.service is not service:
            raise DeclarationError(f"{service.name} is not in this world")
        return found

    # Time.

    def _is_settled(self) -> bool:
        return all(one.settled for one in self._inhabitants.values()) and not any(self._backlog())

    def _backlog(self) -> list[str]:
        wanted = [one.service for one in self._inhabitants.values() if one.wanted]
        lines = [line for service in wanted for line in backlog(service, self.broker)]
        return [*lines, *undecided(self.broker)]

    async def _pass_until(self, condition: Callable[[], bool], within_s: float, *, check: bool = True) -> None:
        assert self._time is not None
        until_ms = self.clock.now_ms() + within_s * 1000
        while True:
            await self._time.rest()
            for inhabitant in self._inhabitants.values() if check else ():
                inhabitant.check()
            if condition():
                return
            if await self._outside():
                continue
            next_ms = self.clock.next_ms
            if next_ms is None or next_ms > until_ms:
                raise StuckError(within_s, self._backlog())
            self.clock.advance((next_ms - self.clock.now_ms()) / 1000)

    async def _outside(self) -> bool:
        """Whether something has come from outside the world that a handler was waiting for."""
        assert self._time is not None
        state = self._state()
        if self._time.timers or state == self._waited_in_vain:
            return False
        if not any(one.waits_outside for one in self._inhabitants.values()):
            return False
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            await asyncio.sleep(LOOK_AGAIN_S)
            await self._time.rest()
            if self._state() != state or self._time.timers:
                return True
        self._waited_in_vain = state
        return False

    def _state(self) -> tuple[int, ...]:
        services = [one.service for one in self._inhabitants.values()]
        return len(self.broker.log), *(service.in_hand for service in services), *(one.at_work for one in services)

    async def _in_time(self, work: Coroutine[Any, Any, R], *, check: bool = True) -> R:
        """Do something that takes virtual time."""
        task = self._virtual.run(asyncio.ensure_future, work)
        await self._pass_until(task.done, WITHIN_S, check=check)
        return await task

    def __repr__(self) -> str:
        names = ", ".join(self._inhabitants)
        return f"World({names}, seed={self.seed}, faults={self.faults!r})"


class Emission:
    """An event that was emitted. Awaiting it gives its position."""

    def __init__(self, world: World, position: Position, workflow_id: str) -> None:
        self.position = position
        self.workflow_id = workflow_id
        self._world = world

    async def settled(self, *, within_s: float = WITHIN_S) -> Run:
        """Let time pass until nothing is left to do (see `World.settled`); returns what this event led to."""
        await self._world.settled(within_s=within_s)
        return self._world.run(self.workflow_id)

    def __await__(self) -> Generator[Any, None, Position]:
        return self._known().__await__()

    async def _known(self) -> Position:
        return self.position


def _temporary_folder() -> Path:
    """Where it costs no disk, if there is such a place: a folder of files in memory, on Linux."""
    memory = "/dev/shm"
    return Path(tempfile.mkdtemp(prefix="tidings-world-", dir=memory if os.access(memory, os.W_OK) else None))
