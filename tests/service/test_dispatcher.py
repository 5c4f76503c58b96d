"""Order per key, and concurrency between keys."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.service.clock import ManualClock
from tidings.service.dispatcher import IN_HAND_MAX, Dispatcher
from tidings.service.lanes import InHand
from tidings.service.progress import Progress
from tidings.service.transports.base import Received

PLACE = ("orders", 0)


def record(offset: int, key: str | None, partition: int = 0) -> Received:
    return Received("orders", partition, offset, 0, key.encode() if key is not None else None, b"{}", None)


class Bench:
    """A dispatcher whose work the test does by hand: each record waits until the test lets it go."""

    def __init__(self, workers: int = 4, work: Callable[[InHand], Awaitable[float | None]] | None = None) -> None:
        self.clock = ManualClock()
        self.begun: list[int] = []
        self.finished: list[int] = []
        self.gates: dict[int, asyncio.Future[float | None]] = {}
        self.dispatcher = Dispatcher(work or self.wait_for_gate, lambda received: True, self.clock, workers)
        self.dispatcher.assigned({PLACE: None})

    async def wait_for_gate(self, item: InHand) -> float | None:
        offset = item.received.offset
        self.begun.append(offset)
        gate = self.gates[offset] = asyncio.get_running_loop().create_future()
        wait_s: float | None = await gate
        if wait_s is None:
            self.dispatcher.finish(item)
            self.finished.append(offset)
        return wait_s

    async def let_go(self, offset: int, wait_s: float | None = None) -> None:
        self.gates.pop(offset).set_result(wait_s)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def accept(self, *keys: str | None, first_offset: int = 0) -> None:
        self.dispatcher.accept([record(first_offset + index, key) for index, key in enumerate(keys)])
        await self.settle()

    @property
    def commits(self) -> dict[Any, int]:
        return {place: mark.offset for place, mark in self.dispatcher.take_marks().items()}

    @property
    def last(self) -> dict[Any, int]:
        """What is committed of partitions that go."""
        return {place: mark.offset for place, mark in self.dispatcher.last_marks().items()}


async def test_records_of_one_key_are_handled_one_after_the_other() -> None:
    bench = Bench()
    await bench.accept("a", "a", "b")
    assert bench.begun == [0, 2]
    await bench.let_go(0)
    assert bench.begun == [0, 2, 1]


async def test_slow_key_holds_nobody_but_itself() -> None:
    bench = Bench(workers=2)
    await bench.accept("slow", "b", "slow", "c", "d")
    for offset in (1, 3, 4):
        await bench.let_go(offset)
    assert bench.finished == [1, 3, 4]
    assert bench.commits == {PLACE: 0}


async def test_no_more_than_the_workers_run_at_a_time() -> None:
    bench = Bench(workers=3)
    await bench.accept(*"abcdefgh")
    assert len(bench.begun) == 3
    await bench.let_go(0)
    assert len(bench.begun) == 4


async def test_records_without_a_key_wait_for_nobody() -> None:
    bench = Bench()
    await bench.accept(None, None, None)
    assert bench.begun == [0, 1, 2]


async def test_commit_never_passes_an_unfinished_record() -> None:
    bench = Bench()
    await bench.accept(*"abc")
    await bench.let_go(2)
    assert bench.commits == {PLACE: 0}
    await bench.let_go(0)
    assert bench.commits == {PLACE: 1}
    await bench.let_go(1)
    assert bench.commits == {PLACE: 3}
    assert bench.commits == {}


async def test_failing_record_parks_its_key_until_its_time_and_others_go_on() -> None:
    bench = Bench(workers=1)
    await bench.accept("bad", "bad", "good")
    await bench.let_go(0, wait_s=60.0)
    assert bench.begun == [0, 2]
    await bench.let_go(2)
    bench.clock.advance(59)
    await bench.settle()
    assert bench.begun == [0, 2]
    bench.clock.advance(1)
    await bench.settle()
    assert bench.begun == [0, 2, 0]
    await bench.let_go(0)
    await bench.let_go(1)
    assert bench.finished == [2, 0, 1]
    assert bench.commits == {PLACE: 3}


async def test_record_that_comes_for_a_parked_key_waits_behind() -> None:
    bench = Bench()
    await bench.accept("bad")
    await bench.let_go(0, wait_s=60.0)
    await bench.accept("bad", "good", first_offset=1)
    assert bench.begun == [0, 2]
    bench.clock.advance(60)
    await bench.settle()
    assert bench.begun == [0, 2, 0]


async def test_full_hands_ask_for_no_more() -> None:
    bench = Bench()
    await bench.accept(*["a"] * IN_HAND_MAX)
    room = asyncio.create_task(bench.dispatcher.room())
    await bench.settle()
    assert not room.done()
    await bench.let_go(0)
    await room


async def test_parked_records_leave_room_for_others() -> None:
    bench = Bench()
    await bench.accept(*["a"] * IN_HAND_MAX)
    await bench.let_go(0, wait_s=60.0)
    async with asyncio.timeout(1):
        await bench.dispatcher.room()


async def test_stop_finishes_what_has_begun_and_leaves_the_rest() -> None:
    bench = Bench(workers=2)
    await bench.accept("a", "b", "b", "c")
    stop = asyncio.create_task(bench.dispatcher.stop())
    await bench.settle()
    assert not stop.done()
    await bench.let_go(0)
    await bench.let_go(1)
    await stop
    assert bench.begun == [0, 1]
    assert bench.commits == {PLACE: 2}


async def test_stop_leaves_no_gap_before_the_last_record_that_was_begun() -> None:
    bench = Bench(workers=1)
    await bench.accept("a", "a", "b", "b")
    await bench.let_go(0)
    assert bench.begun == [0, 2]  # "b" had its turn before the second of "a"
    stop = asyncio.create_task(bench.dispatcher.stop())
    await bench.settle()
    await bench.let_go(2)
    await bench.let_go(1)
    await stop
    assert bench.commits == {PLACE: 3}


async def test_failure_while_stopping_takes_its_successors_along() -> None:
    bench = Bench(workers=1)
    await bench.accept("a", "b", "a", "c")
    await bench.let_go(0)
    await bench.let_go(1)
    assert bench.begun == [0, 1, 3]
    stop = asyncio.create_task(bench.dispatcher.stop())
    await bench.let_go(3)
    await bench.let_go(2, wait_s=60.0)
    await stop
    assert bench.commits == {PLACE: 2}


async def test_stop_does_not_wait_for_a_parked_key() -> None:
    bench = Bench()
    await bench.accept("bad", "good")
    await bench.let_go(0, wait_s=60.0)
    await bench.let_go(1)
    await bench.dispatcher.stop()
    assert bench.commits == {PLACE: 0}


async def test_failure_while_stopping_is_left_for_the_next_start() -> None:
    bench = Bench()
    await bench.accept("a")
    stop = asyncio.create_task(bench.dispatcher.stop())
    await bench.let_go(0, wait_s=60.0)
    await stop
    assert bench.commits == {PLACE: 0}


async def test_revoked_partition_finishes_what_has_begun_and_forgets_the_rest() -> None:
    bench = Bench(workers=1)
    await bench.accept("a", "b", "c")
    revoked = asyncio.create_task(bench.dispatcher.revoked([PLACE]))
    await bench.settle()
    assert not revoked.done()
    await bench.let_go(0)
    await revoked
    assert bench.last == {PLACE: 1}
    assert bench.begun == [0]
    assert bench.dispatcher.in_hand == 0


async def test_partition_that_comes_back_begins_where_it_was_committed_and_keeps_order() -> None:
    bench = Bench(workers=1)
    await bench.accept("a", "a")
    lost = bench.dispatcher.lost
    lost([PLACE])
    bench.dispatcher.assigned({PLACE: None})
    await bench.accept("a", "a")
    assert bench.begun == [0]  # the first one is still being worked on
    await bench.let_go(0)
    assert bench.begun == [0, 0]
    await bench.let_go(0)
    await bench.let_go(1)
    assert bench.commits == {PLACE: 2}


async def test_revoking_one_partition_leaves_the_others_alone() -> None:
    bench = Bench(workers=1)
    other = ("orders", 1)
    bench.dispatcher.assigned({other: None})
    bench.dispatcher.accept([record(0, "a"), record(0, "a", 1), record(1, "b", 1)])
    await bench.settle()
    bench.dispatcher.lost([PLACE])
    await bench.let_go(0)
    await bench.let_go(0)
    await bench.let_go(1)
    assert bench.commits == {other: 2}


async def test_records_of_a_partition_that_is_not_ours_are_ignored() -> None:
    bench = Bench()
    bench.dispatcher.accept([record(0, "a", partition=5)])
    await bench.settle()
    assert bench.begun == []
    assert bench.dispatcher.in_hand == 0


async def test_what_others_had_done_is_not_done_again() -> None:
    bench = Bench()
    first = Progress(PLACE)
    for offset in range(6):
        first.begin(offset)
    for offset in (0, 2, 3, 5):
        first.finish(offset)
    bench.dispatcher.assigned({PLACE: first.mark})
    await bench.accept(*"bcdef", first_offset=1)
    assert bench.begun == [1, 4]
    await bench.let_go(1)
    await bench.let_go(4)
    assert bench.commits == {PLACE: 6}


async def test_end_behind_the_last_record_is_passed() -> None:
    bench = Bench()
    bench.dispatcher.accept([record(0, "a")], {PLACE: 3, ("orders", 9): 5})
    await bench.settle()
    assert bench.commits == {PLACE: 0}
    await bench.let_go(0)
    assert bench.commits == {PLACE: 3}


async def test_records_that_are_over_make_room_and_leave_when_they_are_durable() -> None:
    done: list[InHand] = []

    async def work(item: InHand) -> None:
        bench.dispatcher.over(item)
        done.append(item)

    bench = Bench(work=work)
    await bench.accept(*["a"] * IN_HAND_MAX)
    while len(done) < IN_HAND_MAX:
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await bench.dispatcher.room()
    assert bench.dispatcher.in_hand == IN_HAND_MAX
    assert bench.dispatcher.is_idle
    leaving = asyncio.create_task(bench.dispatcher.revoked([PLACE]))
    await bench.settle()
    assert not leaving.done()
    for item in done:
        bench.dispatcher.finish(item, was_over=True)
    await leaving
    assert bench.dispatcher.in_hand == 0


async def test_bug_in_the_machinery_is_raised_not_swallowed() -> None:
    async def work(item: InHand) -> float | None:
        raise ZeroDivisionError

    bench = Bench(work=work)
    await bench.accept("a")
    with pytest.raises(ZeroDivisionError):
        await bench.dispatcher.room()
    await bench.dispatcher.stop()


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2)), max_size=40),
    st.integers(1, 5),
    st.integers(0, 2**32),
)
def test_order_per_key_holds_whatever_fails_and_however_many_work(
    records: list[tuple[str, int]], workers: int, seed: int
) -> None:
    async def run() -> None:
        handled: dict[str, list[int]] = defaultdict(list)
        failures = {offset: failures for offset, (_, failures) in enumerate(records)}
        running: set[bytes | None] = set()

        async def work(item: InHand) -> float | None:
            key, offset = item.received.key, item.received.offset
            assert key not in running
            running.add(key)
            for _ in range((seed >> offset % 32) & 3):
                await asyncio.sleep(0)
            running.discard(key)
            if failures[offset]:
                failures[offset] -= 1
                return 1.0
            handled[(key or b"").decode()].append(offset)
            bench.dispatcher.finish(item)
            return None

        bench = Bench(workers, work)
        for offset, (key, _) in enumerate(records):
            bench.dispatcher.accept([record(offset, key)])
        while bench.dispatcher.in_hand:
            await bench.dispatcher.room()  # raises what a worker fell over
            await asyncio.sleep(0)
            bench.clock.advance(1)
        for key in "abcd":
            assert handled[key] == [offset for offset, (other, _) in enumerate(records) if other == key]
        assert bench.commits == ({PLACE: len(records)} if records else {})
        await bench.dispatcher.stop()

    asyncio.run(run())
