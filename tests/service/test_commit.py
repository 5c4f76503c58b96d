"""What makes a handled record last: outputs and marks in one transaction, whatever comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from tidings.errors import TidingsError
from tidings.service.clock import ManualClock
from tidings.service.commit.exactly_once import LINGER_S, RECORDS_WANTED, REFUSED_AGAIN_S, ExactlyOnce
from tidings.service.dispatcher import Dispatcher
from tidings.service.lanes import InHand
from tidings.service.routes import Route
from tidings.service.transports.base import (
    Batch,
    Mark,
    NotWrittenError,
    Outgoing,
    Place,
    Received,
    RefusedError,
    StaleError,
)

PLACE, OTHER = ("orders", 0), ("orders", 1)
LETTERS = "shipping.dead-letters"


class Written(NamedTuple):
    """One transaction."""

    values: list[bytes | None]
    offsets: dict[Place, int]


class Group:
    """A consumer, and its transactor, whose answers the test gives."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.committed: list[dict[Place, int]] = []
        self.answers: list[Exception] = []
        """What the next transactions fail with."""
        self.gate: asyncio.Event | None = None
        self.begun = 0
        self.opened = 0
        self.closed = 0

    def transactor(self) -> Group:
        self.opened += 1
        return self

    def commit(self, *given: Any) -> Any:
        if len(given) == 2:
            return self._transaction(*given)
        self.committed.append({place: mark.offset for place, mark in given[0].items()})
        return None

    async def _transaction(self, records: Sequence[Outgoing], marks: Mapping[Place, Mark]) -> None:
        self.begun += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.answers:
            raise self.answers.pop(0)
        offsets = {place: mark.offset for place, mark in marks.items()}
        self.written.append(Written([record.value for record in records], offsets))

    async def poll(self) -> Batch:
        raise AssertionError

    async def close(self, *marks: object) -> None:
        self.closed += 1


class Bench:
    """A committer, and a dispatcher whose handlers do what the test says: `handle(offset, outputs)`."""

    def __init__(self, *, writes: bool = True) -> None:
        self.clock = ManualClock()
        self.group = Group()
        self.refused: list[int] = []
        self.ensured: list[str] = []
        self.items: dict[tuple[int, int], InHand] = {}
        self.gates: dict[tuple[int, int], asyncio.Future[None]] = {}
        self.dispatcher = Dispatcher(self.work, self.route, self.clock, 10_000)
        self.dispatcher.assigned({PLACE: None, OTHER: None})
        self.at_least_once: list[InHand] = []
        self.committer = ExactlyOnce(
            self.group,
            self.dispatcher,
            self.clock,
            self.refuse,
            self.ensure,
            self.at_least_once.append,
            writes=writes,
        )
        self.committer.start()

    def route(self, received: Received) -> Route:
        return Route(None, (), atomic=received.value != b"at least once")

    async def work(self, item: InHand) -> None:
        where = item.received.partition, item.offset
        self.items[where] = item
        gate = self.gates[where] = asyncio.get_running_loop().create_future()
        await gate
        self.committer.complete(item)

    async def ensure(self, streams: Collection[str]) -> None:
        self.ensured += sorted(streams)

    def refuse(self, item: InHand, refused: Mapping[int, TidingsError]) -> bool:
        self.refused.append(item.offset)
        if any(item.outputs[index].stream == LETTERS for index in refused):
            return False
        item.outputs = [Outgoing(LETTERS, None, b"letter", [])]
        return True

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def accept(self, count: int, *, partition: int = 0, value: bytes = b"{}") -> None:
        self.dispatcher.accept([Received("orders", partition, n, 0, b"%d" % n, value, None) for n in range(count)])
        await self.settle()

    async def handle(self, offset: int, *outputs: str, partition: int = 0) -> None:
        where = partition, offset
        self.items[where].outputs += [Outgoing("shipments", b"k", output.encode(), []) for output in outputs]
        self.gates.pop(where).set_result(None)
        await self.settle()


@pytest.fixture
async def bench() -> Any:
    made = Bench()
    yield made
    await made.committer.halt()
    await made.dispatcher.halt()


async def test_outputs_are_written_with_the_mark_of_what_led_to_them(bench: Bench) -> None:
    await bench.accept(2)
    await bench.handle(0, "a", "b")
    await bench.handle(1, "c")
    assert bench.group.written == [Written([b"a", b"b", b"c"], {PLACE: 2})]
    assert bench.dispatcher.in_hand == 0
    assert bench.ensured == ["shipments"]


async def test_outputs_wait_a_moment_for_others_while_records_are_handled(bench: Bench) -> None:
    await bench.accept(3)
    await bench.handle(1, "b")
    assert bench.group.written == []
    bench.clock.advance(LINGER_S)
    await bench.settle()
    assert bench.group.written == [Written([b"b"], {PLACE: 0})]
    await bench.handle(0, "a")
    await bench.handle(2, "c")
    assert bench.group.written[1:] == [Written([b"a", b"c"], {PLACE: 3})]


async def test_enough_outputs_do_not_wait(bench: Bench) -> None:
    await bench.accept(2)
    await bench.handle(0, *["a"] * RECORDS_WANTED)
    assert len(bench.group.written) == 1


async def test_what_is_handled_while_a_transaction_is_written_is_the_next_one(bench: Bench) -> None:
    await bench.accept(4)
    bench.group.gate = asyncio.Event()
    await bench.handle(0, "a")
    bench.clock.advance(LINGER_S)
    await bench.settle()
    for offset, output in ((1, "b"), (2, "c"), (3, "d")):
        await bench.handle(offset, output)
    assert bench.group.begun == 1
    assert bench.dispatcher.in_hand == 4
    bench.group.gate.set()
    await bench.settle()
    assert bench.group.written == [Written([b"a"], {PLACE: 1}), Written([b"b", b"c", b"d"], {PLACE: 4})]


async def test_mark_of_a_transaction_covers_what_had_no_outputs_too(bench: Bench) -> None:
    await bench.accept(2)
    await bench.accept(1, partition=1)
    await bench.handle(0, partition=1)
    await bench.handle(0)
    await bench.handle(1, "b")
    assert bench.group.written == [Written([b"b"], {PLACE: 2, OTHER: 1})]


async def test_without_outputs_marks_are_committed_plainly_and_no_transaction_is_opened() -> None:
    bench = Bench(writes=False)
    await bench.accept(2)
    await bench.handle(0)
    await bench.handle(1)
    bench.clock.advance(1)
    assert bench.group.committed == [{PLACE: 2}]
    assert bench.group.opened == 0
    await bench.committer.halt()


async def test_marks_move_through_the_transactor_once_there_is_one(bench: Bench) -> None:
    await bench.accept(1)
    await bench.handle(0)
    bench.clock.advance(1)
    await bench.settle()
    assert bench.group.committed == []
    assert bench.group.written == [Written([], {PLACE: 1})]


async def test_refused_output_is_a_dead_letter_in_the_same_transaction(bench: Bench) -> None:
    await bench.accept(3)
    bench.group.answers = [NotWrittenError({1: RefusedError("too large")})]
    for offset, output in enumerate("abc"):
        await bench.handle(offset, output)
    assert bench.refused == [1]
    assert bench.group.written == [Written([b"a", b"letter", b"c"], {PLACE: 3})]
    assert bench.dispatcher.in_hand == 0


async def test_dead_letter_that_is_refused_itself_is_put_off_and_holds_nobody(bench: Bench) -> None:
    await bench.accept(2)
    refused = {0: RefusedError("no")}
    bench.group.answers = [NotWrittenError(refused), NotWrittenError(refused)]
    await bench.handle(0, "a")
    await bench.handle(1, "b")
    assert bench.group.written == [Written([b"b"], {PLACE: 0})]
    assert bench.dispatcher.in_hand == 1
    bench.clock.advance(REFUSED_AGAIN_S)
    await bench.settle()
    assert bench.group.written[1:] == [Written([b"letter"], {PLACE: 2})]


async def test_group_that_moved_on_takes_its_partitions_and_the_rest_is_written(bench: Bench) -> None:
    await bench.accept(1)
    await bench.accept(1, partition=1)
    bench.group.answers = [StaleError("the group has moved on")]
    bench.group.gate = asyncio.Event()
    await bench.handle(0, "mine")
    await bench.handle(0, "theirs", partition=1)
    bench.dispatcher.lost([OTHER])
    bench.group.gate.set()
    await bench.settle()
    assert bench.group.written == []
    bench.clock.advance(1)
    await bench.settle()
    assert bench.group.written == [Written([b"mine"], {PLACE: 1})]
    assert bench.dispatcher.in_hand == 0


async def test_revoked_partition_leaves_when_its_outputs_are_written(bench: Bench) -> None:
    await bench.accept(2)
    bench.group.gate = asyncio.Event()
    await bench.handle(0, "a")
    leaving = asyncio.create_task(bench.dispatcher.revoked([PLACE]))
    await bench.handle(1)
    bench.clock.advance(LINGER_S)
    await bench.settle()
    assert not leaving.done()
    bench.group.gate.set()
    await leaving
    marks = await bench.committer.revoking([PLACE])
    assert bench.group.written == [Written([b"a"], {PLACE: 2})]
    assert marks == {}


async def test_mark_of_a_revoked_partition_waits_for_the_transaction_under_way(bench: Bench) -> None:
    await bench.accept(2)
    await bench.accept(1, partition=1)
    bench.group.gate = asyncio.Event()
    await bench.handle(0, "a")
    await bench.handle(0, partition=1)
    bench.clock.advance(LINGER_S)
    await bench.settle()
    await bench.dispatcher.revoked([OTHER])
    leaving = asyncio.create_task(bench.committer.revoking([OTHER]))
    await bench.settle()
    assert not leaving.done()
    bench.group.gate.set()
    assert await leaving == {}


async def test_whoever_keeps_state_hears_when_outputs_are_durable(bench: Bench) -> None:
    heard: list[str] = []
    await bench.accept(1)
    bench.group.gate = asyncio.Event()
    bench.items[0, 0].committed += [lambda: heard.append("first"), lambda: heard.append("second")]
    await bench.handle(0, "a")
    assert heard == []
    bench.group.gate.set()
    await bench.settle()
    assert heard == ["first", "second"]


async def test_records_whose_handlers_want_no_more_are_completed_in_the_other_way(bench: Bench) -> None:
    await bench.accept(1, value=b"at least once")
    await bench.handle(0, "a")
    assert bench.group.begun == 0
    assert [item.offset for item in bench.at_least_once] == [0]


async def test_stop_waits_for_the_transaction_and_gives_the_last_marks(bench: Bench) -> None:
    await bench.accept(2)
    await bench.handle(0, "a")
    await bench.handle(1)
    bench.group.gate = asyncio.Event()
    stopping = asyncio.create_task(bench.dispatcher.stop())
    bench.clock.advance(LINGER_S)
    await bench.settle()
    bench.group.gate.set()
    await stopping
    assert await bench.committer.stop() == {}
    assert bench.group.written == [Written([b"a"], {PLACE: 2})]
    assert bench.group.closed == 1


async def test_what_waiting_does_not_mend_is_raised(bench: Bench) -> None:
    await bench.accept(1)
    bench.group.answers = [TidingsError("not allowed")]
    failing = asyncio.create_task(bench.dispatcher.until_failed())
    await bench.handle(0, "a")
    with pytest.raises(TidingsError, match="not allowed"):
        await failing
