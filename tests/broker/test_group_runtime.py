"""What runs the group coordinator: nothing is told before it is safe, and the log stays short."""

from __future__ import annotations

import asyncio
import errno
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.coordination.harness import GROUP, Topics, durable, join_request, orders_and_payments

from tidings.broker.coordinators.coordinator_log import REWRITTEN_BYTES_MIN
from tidings.broker.coordinators.groups import GroupRuntime
from tidings.broker.coordinators.runtime import STALL_MS
from tidings.broker.durability import Done
from tidings.broker.requests.dispatch import Context
from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.groups.coordinator import GroupCoordinator
from tidings.coordination.groups.states import GroupState
from tidings.coordination.outcome import Producer
from tidings.errors import DiskError
from tidings.log.config import UNLIMITED, LogConfig
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from tidings.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

CONFIG = LogConfig(
    retention_ms=UNLIMITED, deletes=False, segment_bytes=REWRITTEN_BYTES_MIN // 4, message_bytes_max=1 << 26
)
WALL_MS = 1_700_000_000_000


class Clock:
    def __init__(self) -> None:
        self.monotonic = 1_000

    def now_ms(self) -> int:
        return WALL_MS + self.monotonic

    def monotonic_ms(self) -> int:
        return self.monotonic


class Disk:
    """Syncs when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Partition, Done]] = []
        self.is_slow = True

    def settle(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        self.waiting.append((partition, done))
        if not self.is_slow:
            self.sync()

    def sync(self) -> None:
        waiting, self.waiting = self.waiting, []
        for partition, done in waiting:
            try:
                partition.sync()
            except (DiskError, ApiError) as error:
                done(error)
            else:
                done(None)

    async def settled(self, partition: Partition, appended_bytes: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Place:
    """A folder, a clock, and the runtimes that live there one after the other."""

    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.files.mkdir("data")
        self.files.sync_dir("")
        self.clock = Clock()
        self.disk = Disk()
        self.topics: Topics = orders_and_payments()
        self.partition = self.opened(clean=True)

    def opened(self, *, clean: bool) -> Partition:
        return Partition.open(self.files, "data/groups-0", CONFIG, now_ms=WALL_MS, clean=clean)

    def coordinator(self) -> GroupCoordinator:
        return GroupCoordinator(
            config=GroupConfig(initial_rebalance_delay_ms=0), new_id=lambda: "id", topics=self.topics
        )

    def runtime(self) -> GroupRuntime:
        runtime = GroupRuntime(self.coordinator(), cast("Any", self.disk), self.clock)
        runtime.start(lambda: self.partition)
        return runtime

    def after_power_cut(self) -> GroupRuntime:
        self.files.power_cut(Random(7))
        self.disk = Disk()
        self.partition = self.opened(clean=False)
        return self.runtime()


@pytest.fixture
def place() -> Place:
    return Place()


def context(version: int) -> Context:
    fields = {"broker": None, "api_version": version, "client_id": "app", "client_host": "/127.0.0.1"}
    return cast("Context", SimpleNamespace(**fields, may=lambda *_: True))


def commit(runtime: GroupRuntime, offset: int, partition: int = 0, group_id: str = GROUP) -> asyncio.Future[Message]:
    wanted = OffsetCommitRequestPartition(
        partition_index=partition, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=""
    )
    request = OffsetCommitRequest(
        group_id=group_id,
        generation_id_or_member_epoch=-1,
        topics=[OffsetCommitRequestTopic(name="orders", partitions=[wanted])],
    )
    return runtime.ask(runtime.coordinator.commit_offsets, request, context(9))


def fetch(runtime: GroupRuntime) -> asyncio.Future[Message]:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=GROUP, topics=None)])
    return runtime.ask(runtime.coordinator.fetch_offsets, request, context(9))


def code_of(reply: asyncio.Future[Message]) -> int:
    answer: Any = reply.result()
    return int(answer.topics[0].partitions[0].error_code)


def offset_in(reply: asyncio.Future[Message]) -> int:
    answer: Any = reply.result()
    topics = answer.groups[0].topics
    return int(topics[0].partitions[0].committed_offset) if topics else -1


async def test_a_commit_is_acknowledged_when_it_is_on_the_disk(place: Place) -> None:
    runtime = place.runtime()
    reply = commit(runtime, 5)
    assert not reply.done()
    place.disk.sync()
    assert code_of(reply) == ErrorCode.NONE
    assert offset_in(fetch(place.after_power_cut())) == 5


async def test_many_commits_share_one_sync(place: Place) -> None:
    runtime = place.runtime()
    replies = [commit(runtime, offset, partition=offset % 4) for offset in range(20)]
    place.disk.waiting[-1][0].sync()
    place.disk.waiting[-1][1](None)  # the last to ask is told first
    assert {code_of(reply) for reply in replies} == {ErrorCode.NONE}


async def test_nobody_sees_an_offset_that_a_power_cut_could_take_back(place: Place) -> None:
    runtime = place.runtime()
    commit(runtime, 5)
    seen = fetch(runtime)
    assert not seen.done()
    assert offset_in(fetch(place.after_power_cut())) == -1
    assert not seen.done()


async def test_a_fetch_sees_what_was_committed_before_it(place: Place) -> None:
    runtime = place.runtime()
    commit(runtime, 5)
    seen = fetch(runtime)
    place.disk.sync()
    assert offset_in(seen) == 5


async def test_a_slow_disk_does_not_delay_heartbeats(place: Place) -> None:
    runtime = place.runtime()
    commit(runtime, 5)
    beat = runtime.ask(
        runtime.coordinator.heartbeat, HeartbeatRequest(group_id=GROUP), context(4), shows_nothing_recorded=True
    )
    assert beat.done()
    await runtime.close()


async def test_a_full_disk_refuses_commits_and_goes_on_when_there_is_room(place: Place) -> None:
    runtime = place.runtime()
    place.disk.is_slow = False
    place.files.inject = lambda operation, path: Fault(errno.ENOSPC) if operation == "append" else None
    assert code_of(commit(runtime, 5)) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert offset_in(fetch(runtime)) == -1
    place.files.inject = None
    assert code_of(commit(runtime, 6)) == ErrorCode.NONE
    assert offset_in(fetch(runtime)) == 6


async def test_a_sync_that_fails_acknowledges_nothing_and_the_next_start_tells_what_is_there(place: Place) -> None:
    runtime = place.runtime()
    replies = [commit(runtime, 5), fetch(runtime)]
    place.files.inject = lambda operation, path: Fault(errno.EIO) if operation == "sync" else None
    place.disk.sync()
    assert code_of(replies[0]) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert cast("Any", replies[1].result()).groups[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert not runtime.is_available
    assert code_of(commit(runtime, 6)) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    place.files.inject = None
    assert place.after_power_cut().is_available


async def test_a_log_that_cannot_be_read_makes_groups_unavailable_and_says_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Partition:
        raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, "groups-0 is damaged at byte 7")

    runtime = GroupRuntime(place.coordinator(), cast("Any", place.disk), place.clock)
    runtime.start(broken)
    assert "damaged at byte 7" in caplog.text
    assert code_of(commit(runtime, 6)) == ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_who_waits_for_other_members_is_answered_at_the_end(place: Place) -> None:
    runtime = place.runtime()
    parked = runtime.ask(runtime.coordinator.join, join_request(), context(3))
    await runtime.close()
    assert cast("Any", parked.result()).error_code == ErrorCode.NOT_COORDINATOR


async def test_deadlines_are_met(place: Place) -> None:
    runtime = place.runtime()
    joined: Any = await asyncio.wait_for(runtime.ask(runtime.coordinator.join, join_request(), context(3)), timeout=10)
    assert (joined.error_code, joined.generation_id) == (ErrorCode.NONE, 1)
    await runtime.close()


async def test_when_we_stood_still_members_are_not_given_up_before_they_could_be_heard(place: Place) -> None:
    runtime = place.runtime()
    joined: Any = await runtime.ask(runtime.coordinator.join, join_request(), context(3))
    deadline_ms = runtime.coordinator.next_deadline_ms()
    assert deadline_ms is not None
    place.clock.monotonic = deadline_ms + STALL_MS + 1
    runtime._on_timer(deadline_ms)
    assert runtime.coordinator.state_of(GROUP) is GroupState.COMPLETING_REBALANCE
    beat = HeartbeatRequest(group_id=GROUP, generation_id=1, member_id=joined.member_id)
    reply: Any = await runtime.ask(runtime.coordinator.heartbeat, beat, context(4))
    assert reply.error_code == ErrorCode.NONE
    runtime._tick()
    assert runtime.coordinator.state_of(GROUP) is GroupState.COMPLETING_REBALANCE
    await runtime.close()


async def fill(place: Place, runtime: GroupRuntime, bytes_min: int) -> None:
    """Commits until so much was written, over a state of a few hundred offsets."""
    place.disk.is_slow = False
    written = offset = 0
    while written < bytes_min:
        offset += 1
        commit(runtime, offset, partition=offset % 4, group_id=f"group-{offset % 100}")
        written += 150


async def rewritten(runtime: GroupRuntime) -> None:
    assert runtime._rewriting is not None, "the log is long, and nobody shortens it"
    await runtime._rewriting


async def test_a_long_log_is_written_anew_and_says_the_same(place: Place) -> None:
    runtime = place.runtime()
    await fill(place, runtime, REWRITTEN_BYTES_MIN * 3 // 2)
    await rewritten(runtime)
    assert place.partition.log_start_offset > 0
    assert place.partition.size_bytes < REWRITTEN_BYTES_MIN
    commit(runtime, 12345)
    before = durable(runtime.coordinator)
    assert durable(place.after_power_cut().coordinator) == before


async def test_commits_that_come_while_the_log_is_written_anew_are_kept(place: Place) -> None:
    runtime = place.runtime()
    await fill(place, runtime, REWRITTEN_BYTES_MIN * 3 // 2)
    assert runtime._rewriting is not None
    for offset in range(1000, 1100):
        commit(runtime, offset, partition=offset % 4, group_id=f"group-{offset % 100}")
        await asyncio.sleep(0)
    await rewritten_or_done(runtime)
    before = durable(runtime.coordinator)
    assert durable(place.after_power_cut().coordinator) == before


async def test_a_log_that_is_written_anew_keeps_what_is_pending_in_a_transaction(place: Place) -> None:
    runtime = place.runtime()
    place.disk.is_slow = False
    wanted = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=77, committed_metadata="")
    request = TxnOffsetCommitRequest(
        transactional_id="mover",
        group_id=GROUP,
        producer_id=5,
        producer_epoch=0,
        topics=[TxnOffsetCommitRequestTopic(name="orders", partitions=[wanted])],
    )
    commit(runtime, 1, group_id="before")
    pending = runtime.ask(runtime.coordinator.commit_transactional, request, context(3))
    assert code_of(pending) == ErrorCode.NONE
    await fill(place, runtime, REWRITTEN_BYTES_MIN * 3 // 2)
    await rewritten(runtime)
    assert place.partition.log_start_offset == 1, "it begins with what is pending"
    after = place.after_power_cut()
    place.disk.is_slow = False
    assert offset_in(fetch(after)) == -1
    told: list[Exception | None] = []
    after.write_end(Producer(5, 0), commit=True, done=told.append)
    assert told == [None]
    assert offset_in(fetch(after)) == 77


async def rewritten_or_done(runtime: GroupRuntime) -> None:
    if runtime._rewriting is not None:
        await runtime._rewriting


async def test_a_power_cut_while_the_log_is_written_anew_loses_nothing(place: Place) -> None:
    runtime = place.runtime()
    await fill(place, runtime, REWRITTEN_BYTES_MIN * 3 // 2)
    before = durable(runtime.coordinator)
    place.disk.is_slow = True
    await asyncio.sleep(0)  # the first pieces are appended, and not synced
    assert place.partition.log_start_offset == 0
    lost = place.disk.waiting
    assert durable(place.after_power_cut().coordinator) == before
    for _, done in lost:
        done(DiskError("the power is off"))
    await rewritten_or_done(runtime)


async def test_a_disk_that_fails_while_the_log_is_written_anew_leaves_the_whole_log(place: Place) -> None:
    runtime = place.runtime()
    await fill(place, runtime, REWRITTEN_BYTES_MIN * 3 // 2)
    before = durable(runtime.coordinator)
    place.files.inject = lambda operation, path: Fault(errno.ENOSPC) if operation == "append" else None
    await rewritten(runtime)
    place.files.inject = None
    assert place.partition.log_start_offset == 0
    assert runtime.is_available
    assert durable(place.after_power_cut().coordinator) == before
