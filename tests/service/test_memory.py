"""The broker in memory does with transactions, groups and offsets what Kafka does."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.service.clock import ManualClock
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
from tidings.service.transports.memory import LostError, MemoryBroker, MemoryConsumer
from tidings.service.transports.memory.stream import MemoryPartition
from tidings.service.transports.memory.transactions import TIMEOUT_S, FencedError, Transaction, Transactions

PLACE = ("me-in", 0)


class Holder:
    """An owner that remembers what it was given and what was taken."""

    def __init__(self) -> None:
        self.assigned_marks: list[Mapping[Place, Mark | None]] = []
        self.lost_places: list[Place] = []

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        self.assigned_marks.append(marks)

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        return {}

    def lost(self, places: Collection[Place]) -> None:
        self.lost_places += places


def outgoing(stream: str, value: str = "v", key: bytes | None = b"k") -> Outgoing:
    return Outgoing(stream, key, value.encode(), [])


def values(records: Sequence[Received]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


async def member(memory: MemoryBroker, owner: Holder | None = None, group: str = "g") -> MemoryConsumer:
    """Somebody who has joined, and is dealt his share of the one stream there is."""
    consumer = memory.transport().consumer(group, [PLACE[0]], owner or Holder())
    await consumer.join()
    return consumer


@pytest.fixture
def memory(clock: ManualClock) -> MemoryBroker:
    broker = MemoryBroker(clock)
    broker.create("me-in", 1)
    broker.create("me-out", 1)
    for n in range(4):
        broker.append(outgoing("me-in", str(n)))
    return broker


class Stop:
    """Holds a transaction after one of its steps until it is let go, or has an answer lost there."""

    def __init__(self, step: int, *, lost: bool = False) -> None:
        self._at = step
        self._lost = lost
        self.reached = asyncio.Event()
        self.may_go = asyncio.Event()

    async def __call__(self, step: int) -> None:
        if step == self._at and not self.reached.is_set():
            self.reached.set()
            await self.may_go.wait()
            if self._lost:
                raise LostError("no answer")


# One partition.


def test_open_transaction_holds_readers_back_and_its_marker_takes_an_offset(clock: ManualClock) -> None:
    partition, coordinator = MemoryPartition(), Transactions(clock, lambda transaction: None)
    transaction = coordinator.begin("t", coordinator.init("t"))
    partition.append(received(0, "before"), None)
    partition.append(received(1, "inside"), transaction)
    partition.append(received(2, "after"), None)
    assert (partition.end, partition.last_stable) == (3, 1)
    assert values(partition.readable(0)[0]) == ["before"]
    assert values(partition.committed()) == ["before", "after"]
    coordinator.commit(transaction)
    assert (partition.end, partition.last_stable) == (4, 4)
    assert values(partition.readable(0)[0]) == ["before", "inside", "after"]
    assert partition.readable(3) == ([], 4)


def test_aborted_records_stay_where_they_are_and_are_passed_over(clock: ManualClock) -> None:
    partition, coordinator = MemoryPartition(), Transactions(clock, lambda transaction: None)
    transaction = coordinator.begin("t", coordinator.init("t"))
    for offset in range(3):
        partition.append(received(offset, str(offset)), transaction if offset == 1 else None)
    coordinator.abort(transaction)
    assert [record.offset for record in partition.readable(0)[0]] == [0, 2]
    assert partition.readable(0, 1) == ([received(0, "0")], 1)
    assert partition.readable(1, 1) == ([received(2, "2")], 3)
    assert partition.end == 4


def received(offset: int, value: str) -> Received:
    return Received("me", 0, offset, 0, None, value.encode(), None)


@given(st.lists(st.tuples(st.sampled_from(["write", "commit", "abort"]), st.integers(0, 3)), max_size=40))
def test_readers_see_what_counts_in_its_order_and_nothing_that_may_be_taken_back(
    steps: list[tuple[str, int]],
) -> None:
    partition, coordinator = MemoryPartition(), Transactions(ManualClock(), lambda transaction: None)
    epochs = {who: coordinator.init(str(who)) for who in range(1, 4)}
    open_now: dict[int, Transaction] = {}
    written: list[tuple[int, Transaction | None]] = []
    seen: list[int] = []
    at = 0
    for what, who in steps:
        if what == "write":
            if who and who not in open_now:
                open_now[who] = coordinator.begin(str(who), epochs[who])
            transaction = open_now.get(who) if who else None
            written.append((partition.end, transaction))
            partition.append(received(partition.end, "v"), transaction)
        elif who in open_now:
            getattr(coordinator, what)(open_now.pop(who))
        more, at = partition.readable(at)
        seen += [record.offset for record in more]
    for transaction in open_now.values():
        coordinator.abort(transaction)
    seen += [record.offset for record in partition.readable(at)[0]]
    assert seen == [offset for offset, transaction in written if transaction is None or transaction.is_committed]


# The coordinator.


def test_who_takes_a_transactional_id_fences_his_predecessor(clock: ManualClock) -> None:
    coordinator = Transactions(clock, lambda transaction: None)
    first = coordinator.init("t")
    transaction = coordinator.begin("t", first)
    second = coordinator.init("t")
    assert not transaction.is_open
    assert not transaction.is_committed
    with pytest.raises(FencedError):
        coordinator.commit(transaction)
    with pytest.raises(FencedError):
        coordinator.begin("t", first)
    coordinator.commit(coordinator.begin("t", second))


def test_transaction_that_nobody_ends_is_aborted_in_time(clock: ManualClock) -> None:
    ended: list[Transaction] = []
    coordinator = Transactions(clock, ended.append)
    epoch = coordinator.init("t")
    transaction = coordinator.begin("t", epoch)
    clock.advance(TIMEOUT_S - 1)
    assert coordinator.open == [transaction]
    clock.advance(1)
    assert ended == [transaction]
    assert coordinator.open == []
    with pytest.raises(FencedError):
        coordinator.begin("t", epoch)


# Transactions of a group's member.


async def test_records_and_marks_count_together(memory: MemoryBroker) -> None:
    consumer = await member(memory)
    stop = Stop(2)
    transactor = consumer.transactor(stop)
    committing = asyncio.create_task(transactor.commit([outgoing("me-out", "1")], {PLACE: Mark(3, "done:AwI=")}))
    await stop.reached.wait()
    assert memory.records("me-out") == []
    assert memory.group("g").marks == {}
    state = await memory.transport().stream_state("me-out")
    assert state.ends == {0: 0}
    stop.may_go.set()
    await committing
    assert values(memory.records("me-out")) == ["1"]
    assert memory.group("g").marks == {PLACE: Mark(3, "done:AwI=")}
    assert memory.group("g").offsets == {PLACE: 3}
    assert (await memory.transport().stream_state("me-out")).ends == {0: 2}


async def test_marks_are_given_to_who_gets_the_partition_and_it_reads_from_there(memory: MemoryBroker) -> None:
    first = await member(memory)
    await first.transactor().commit([], {PLACE: Mark(2, "beyond")})
    await first.close({})
    owner = Holder()
    second = await member(memory, owner)
    assert owner.assigned_marks == [{PLACE: Mark(2, "beyond")}]
    assert [record.offset for record in (await second.poll()).records] == [2, 3]
    await second.close({})


async def test_group_is_told_of_the_end_and_of_the_marker_behind_it(memory: MemoryBroker) -> None:
    writer = await member(memory)
    reader = memory.transport().consumer("other", ["me-out"], Holder())
    assert await reader.poll() == Batch([], {("me-out", 0): 0})
    await writer.transactor().commit([outgoing("me-out", "1")], {PLACE: Mark(1)})
    batch = await reader.poll()
    assert values(batch.records) == ["1"]
    assert batch.ends == {("me-out", 0): 2}


@pytest.mark.parametrize("step", range(4))
async def test_crash_after_any_step_but_the_last_leaves_nothing(memory: MemoryBroker, step: int) -> None:
    consumer = await member(memory)
    stop = Stop(step)
    records = [outgoing("me-out", "1"), outgoing("me-out", "2")]
    committing = asyncio.create_task(consumer.transactor(stop).commit(records, {PLACE: Mark(4)}))
    await stop.reached.wait()
    consumer.crash()
    committing.cancel()
    assert memory.transactions.open
    owner = Holder()
    heir = memory.transport().consumer("g", [PLACE[0]], owner)
    transactor = heir.transactor()
    assert not memory.transactions.open  # the heir has the same transactional id
    await heir.join()
    assert owner.assigned_marks == [{PLACE: None}]
    await transactor.commit([outgoing("me-out", "again")], {PLACE: Mark(4)})
    assert values(memory.records("me-out")) == ["again"]


async def test_mark_that_is_about_to_move_is_not_read_before_it_is_decided(
    memory: MemoryBroker, clock: ManualClock
) -> None:
    gone = await member(memory)
    stop = Stop(1)
    committing = asyncio.create_task(gone.transactor(stop).commit([], {PLACE: Mark(4)}))
    await stop.reached.wait()
    gone.crash()
    committing.cancel()
    owner = Holder()
    heir = memory.transport().consumer("g", [PLACE[0]], owner)  # makes no transactions: nobody fences the predecessor
    joining = asyncio.create_task(heir.join())
    for _ in range(5):
        await asyncio.sleep(0)
    assert owner.assigned_marks == []
    clock.advance(TIMEOUT_S)
    await joining
    assert owner.assigned_marks == [{PLACE: None}]


@pytest.mark.parametrize("step", range(5))
async def test_answer_that_is_lost_is_found_out_and_nothing_is_written_twice(memory: MemoryBroker, step: int) -> None:
    consumer = await member(memory)
    stop = Stop(step, lost=True)
    stop.may_go.set()
    await consumer.transactor(stop).commit([outgoing("me-out", "1"), outgoing("me-out", "2")], {PLACE: Mark(4)})
    assert stop.reached.is_set()
    assert values(memory.records("me-out")) == ["1", "2"]
    assert memory.group("g").marks == {PLACE: Mark(4)}


async def test_commit_that_takes_longer_than_a_transaction_may_is_made_anew(
    memory: MemoryBroker, clock: ManualClock
) -> None:
    consumer = await member(memory)
    stop = Stop(1)
    committing = asyncio.create_task(consumer.transactor(stop).commit([outgoing("me-out", "1")], {PLACE: Mark(1)}))
    await stop.reached.wait()
    clock.advance(TIMEOUT_S)
    stop.may_go.set()
    await committing
    assert values(memory.records("me-out")) == ["1"]
    assert [record.offset for record in memory.records("me-out")] == [2]  # behind what was aborted, and its marker


async def test_stale_member_moves_nothing_and_its_records_are_never_seen(memory: MemoryBroker) -> None:
    stale = await member(memory)
    stop = Stop(1)
    committing = asyncio.create_task(stale.transactor(stop).commit([outgoing("me-out", "stale")], {PLACE: Mark(4)}))
    await stop.reached.wait()
    heir = await member(memory)  # the group deals anew
    stop.may_go.set()
    with pytest.raises(StaleError, match="generation 1 of g is over"):
        await committing
    assert memory.records("me-out") == []
    assert memory.group("g").marks == {}
    assert not memory.transactions.open
    await stale.transactor().commit([outgoing("me-out", "fresh")], {PLACE: Mark(1)})
    assert values(memory.records("me-out")) == ["fresh"]
    await heir.close({})


async def test_plain_commit_of_a_stale_member_is_refused_and_told_of(
    memory: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    consumer = await member(memory)
    memory.go_away()
    consumer.commit({PLACE: Mark(4)})
    memory.group("g").next_generation()
    memory.come_back()
    assert memory.group("g").marks == {}
    assert "some events may come again" in caplog.text
    consumer.commit({PLACE: Mark(4)})
    assert memory.group("g").marks == {PLACE: Mark(4)}


async def test_zombie_that_wakes_up_is_fenced(memory: MemoryBroker) -> None:
    zombie = await member(memory)
    stop = Stop(1)
    committing = asyncio.create_task(zombie.transactor(stop).commit([outgoing("me-out", "zombie")], {PLACE: Mark(4)}))
    await stop.reached.wait()
    zombie.crash()
    heir = await member(memory)
    await heir.transactor().commit([outgoing("me-out", "heir")], {PLACE: Mark(4)})
    stop.may_go.set()
    with pytest.raises(StaleError):
        await committing
    assert values(memory.records("me-out")) == ["heir"]


async def test_refused_records_are_named_and_nothing_is_written() -> None:
    memory = MemoryBroker(ManualClock(), record_bytes_max=10)
    memory.create("me-in", 1)
    consumer = await member(memory)
    transactor = consumer.transactor()
    records = [outgoing("me-out", "x" * length) for length in (1, 11, 2, 12)]
    with pytest.raises(NotWrittenError) as caught:
        await transactor.commit(records, {PLACE: Mark(1)})
    assert {index: type(error) for index, error in caught.value.refused.items()} == {1: RefusedError, 3: RefusedError}
    assert memory.records("me-out") == []
    await transactor.commit(records[::2], {PLACE: Mark(1)})
    assert values(memory.records("me-out")) == ["x", "xx"]


async def test_commit_waits_while_the_broker_is_away(memory: MemoryBroker) -> None:
    consumer = await member(memory)
    memory.go_away()
    committing = asyncio.create_task(consumer.transactor().commit([outgoing("me-out", "1")], {PLACE: Mark(1)}))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not committing.done()
    memory.come_back()
    await committing
    assert values(memory.records("me-out")) == ["1"]


async def test_each_member_has_a_transactional_id_of_its_own_and_gives_it_back(memory: MemoryBroker) -> None:
    first, second = await member(memory), await member(memory)
    stop = Stop(0)
    one = first.transactor(stop)
    committing = asyncio.create_task(one.commit([], {}))
    await stop.reached.wait()
    other = second.transactor()
    await other.commit([], {})  # does not fence the first
    await other.close()
    assert [transaction.transactional_id for transaction in memory.transactions.open] == ["g-0"]
    stop.may_go.set()
    await committing
    await one.close()
    again = second.transactor()
    await again.commit([outgoing("me-out", "1")], {})
    assert values(memory.records("me-out")) == ["1"]


async def test_what_is_taken_away_and_given_back_comes_again_and_is_of_a_new_generation(memory: MemoryBroker) -> None:
    owner = Holder()
    consumer = await member(memory, owner)
    assert len((await consumer.poll()).records) == 4
    consumer.commit({PLACE: Mark(2)})
    before = consumer.generation
    consumer.lose_and_take(PLACE)
    assert owner.lost_places == [PLACE]
    assert owner.assigned_marks[-1] == {PLACE: Mark(2)}
    assert consumer.generation == before + 1
    assert [record.offset for record in (await consumer.poll()).records] == [2, 3]


async def test_member_that_has_left_has_nothing_that_could_be_taken_from_it(memory: MemoryBroker) -> None:
    consumer = await member(memory)
    await consumer.poll()
    await consumer.close({PLACE: Mark(4)})
    assert consumer.positions == {}
    assert memory.group("g").offsets == {PLACE: 4}


async def test_counting_is_told_in_the_order_of_commits(clock: ManualClock) -> None:
    class Listening(MemoryBroker):
        def __init__(self) -> None:
            super().__init__(clock)
            self.heard: list[str] = []

        def counts(self, records: Sequence[Received]) -> None:
            self.heard += values(records)

    memory = Listening()
    memory.create("me-in", 1)
    consumer = await member(memory)
    stop = Stop(1)
    committing = asyncio.create_task(
        consumer.transactor(stop).commit([outgoing("me-a", "a"), outgoing("me-b", "b")], {})
    )
    await stop.reached.wait()
    memory.append(outgoing("me-a", "plain"))
    stop.may_go.set()
    await committing
    assert memory.heard == ["plain", "a", "b"]
