"""Events through inbox and outbox while services, relays and PostgreSQL itself are killed; then the account is made.

    python -m tests.service.database.kills --events 100000 --kills 60

Orders are charged by `billing`: a row, and a sum that would show if it were done twice; relays publish what it says of
it, and `ledger` books that in sums of its own. All three are killed (`kill -9`), and so is PostgreSQL
(immediate shutdown, recovery at the next start), each as the work goes on. In the end rows and events have to agree
exactly. It prints what it did and the verdict; the exit code is 0 if it holds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.peers.postgres import Postgres
from tests.service.database.models import Base, Charged, Order
from tests.service.database.processes import Booked

from tidings import Service
from tidings.service.transports.base import Received
from tidings.service.transports.kafka import KafkaTransport
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

ROLES = ("billing", "billing", "relay", "relay", "ledger", "ledger")
DATABASE = "database"
VICTIMS = ("billing", "relay", "ledger", DATABASE)
CUSTOMERS = 500
LOOK_EVERY_S = 0.2
STANDSTILL_S = 120.0


@dataclass
class Account:
    """What came of it."""

    events: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    """Records of charges that were published again, with the ids they had."""
    wrong: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        killed = ", ".join(f"{role} {count}" for role, count in sorted(self.kills.items()))
        head = f"{self.events} events in {self.seconds:.0f} s; killed: {killed}; published again: {self.repeated}"
        return "\n".join([head, *(self.wrong or ["rows and events agree exactly, in order"])])


class Run:
    def __init__(self, events: int, kills: int, seed: int, broker: BrokerProcess, postgres: Postgres) -> None:
        self._events = events
        self._chance = random.Random(seed)
        self._broker = broker
        self._postgres = postgres
        self._url = f"postgresql+asyncpg://{postgres.database()}"
        self._engine: AsyncEngine = create_async_engine(self._url, pool_size=1, pool_pre_ping=True)
        self._at = sorted(self._chance.randrange(events) for _ in range(kills))
        """How many events are through when each kill is due."""
        self._victims = [VICTIMS[n % len(VICTIMS)] for n in range(kills)]
        self._chance.shuffle(self._victims)
        self._children: list[tuple[str, ChildProcess]] = []
        self.account = Account(events)

    async def run(self) -> Account:
        began = time.monotonic()
        async with self._engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            self._children = [(role, self._start(role)) for role in ROLES]
            emitting = asyncio.create_task(self._emit())
            await self._kill_until_done()
            await emitting
            await self._compare()
        finally:
            for _, child in self._children:
                child.kill()
            await self._engine.dispose()
        self.account.seconds = time.monotonic() - began
        return self.account

    def _start(self, role: str) -> ChildProcess:
        command = [sys.executable, "-m", "tests.service.database.processes", role, self._url]
        return ChildProcess(command, {**os.environ, "TIDINGS_URL": self._broker.url})

    async def _emit(self) -> None:
        """Orders, those of one customer one after the other."""
        orders = Service("orders", url=self._broker.url, timeout_s=60)
        async with orders:
            for begin in range(0, self._events, CUSTOMERS):
                numbers = range(begin, min(begin + CUSTOMERS, self._events))
                await asyncio.gather(*(orders.emit(order(n)) for n in numbers))

    # Killing.

    async def _kill_until_done(self) -> None:
        done, moved = 0, time.monotonic()
        while done < self._events or self._at:  # some may be due only when all is through: the last ones move fast
            if self._at and done >= self._at[0]:
                self._at.pop(0)
                await self._kill(self._victims.pop())
            now_done = await self._done()
            if now_done > done:
                done, moved = now_done, time.monotonic()
            if time.monotonic() - moved > STANDSTILL_S:
                tails = "\n".join(f"{role}:\n{child.tail()}" for role, child in self._children)
                raise TimeoutError(f"{done} of {self._events} events, and no further\n{tails}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _kill(self, victim: str) -> None:
        self.account.kills[victim] += 1
        if victim == DATABASE:
            await asyncio.to_thread(self._postgres.stop_at_once)
            await asyncio.to_thread(self._postgres.start)
            return
        place = self._chance.choice([n for n, (role, _) in enumerate(self._children) if role == victim])
        self._children[place][1].kill()
        self._children[place] = (victim, self._start(victim))

    async def _done(self) -> int:
        try:
            return int((await self._rows(f"SELECT coalesce(sum(count), 0) FROM {Booked.__tablename__}"))[0][0])
        except DBAPIError:  # it was killed just now, and this was its connection
            return 0

    async def _rows(self, query: str) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(text(query))).all()

    # The account.

    async def _compare(self) -> None:
        owed: dict[str, int] = defaultdict(int)
        orders_of: dict[str, list[int]] = defaultdict(list)
        for n in range(self._events):
            owed[order(n).customer] += order(n).amount
            orders_of[order(n).customer].append(n)
        charged = await self._rows("SELECT n FROM charges")
        self._check("orders that were charged", {row[0] for row in charged}, set(range(self._events)))
        accounts = {row.customer: row.owed for row in await self._rows("SELECT customer, owed FROM accounts")}
        self._check("what customers owe", accounts, dict(owed))
        booked = await self._rows("SELECT customer, count, total, disorder FROM booked")
        counts = {customer: len(numbers) for customer, numbers in orders_of.items()}
        self._check("how often the ledger heard of customers", {row.customer: row[1] for row in booked}, counts)
        self._check("what the ledger booked", {row.customer: row.total for row in booked}, dict(owed))
        self._check("what the ledger had out of order", {row.customer for row in booked if row.disorder}, set())
        await self._compare_stream(orders_of)

    async def _compare_stream(self, orders_of: dict[str, list[int]]) -> None:
        first: dict[str, list[int]] = defaultdict(list)
        ids: set[bytes | None] = set()
        numbers: set[int] = set()
        for record in await read_all(self._broker.url, "db-charges"):
            event_id = dict(record.headers or ())["ce_id"]
            if event_id in ids:
                self.account.repeated += 1
                continue
            ids.add(event_id)
            charged = msgspec.json.decode(record.value or b"", type=Charged)
            numbers.add(charged.n)
            first[charged.customer].append(charged.n)
        self._check("ids in the stream", len(ids), self._events)
        self._check("orders in the stream", numbers, set(range(self._events)))
        self._check("their order", dict(first), dict(orders_of))

    def _check(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.account.wrong.append(f"WRONG: {what}: {_difference(found, wanted)}")


def order(n: int) -> Order:
    return Order(f"c-{n % CUSTOMERS}", n, 1 + n % 7)


def _difference(found: Any, wanted: Any) -> str:
    if isinstance(found, set):
        return f"missing {sorted(wanted - found)[:10]}, too many {sorted(found - wanted)[:10]}"
    if isinstance(found, dict):
        return str([(key, found.get(key), value) for key, value in wanted.items() if found.get(key) != value][:3])
    return f"{found}, not {wanted}"


async def read_all(url: str, stream: str) -> list[Received]:
    """What a stream holds now."""
    transport = KafkaTransport(url, "verdict")
    state = await transport.stream_state(stream)
    reader = transport.reader(stream, state.begins)
    found: list[Received] = []
    reached = dict(state.begins)
    while any(reached[partition] < end for partition, end in state.ends.items()):
        batch = await reader.poll()
        found += batch.records
        reached.update((record.partition, record.offset + 1) for record in batch.records)
        reached.update((partition, offset) for (_, partition), offset in batch.ends.items())
    await reader.close()
    await transport.close()
    return found


def run(events: int, kills: int, seed: int) -> Account:
    with (
        tempfile.TemporaryDirectory() as folder,
        BrokerProcess(Path(folder) / "data") as broker,
        Postgres() as postgres,
    ):
        return asyncio.run(Run(events, kills, seed, broker, postgres).run())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    account = run(options.events, options.kills, options.seed)
    print(account.verdict)
    sys.exit(bool(account.wrong))


if __name__ == "__main__":
    main()
