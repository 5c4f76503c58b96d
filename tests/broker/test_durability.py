"""What an acknowledgement waits for, and who is told when."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

from tidings.broker.durability import INLINE_SYNC_MS_MAX, Disk, PageCache
from tidings.broker.requests.long_polls import LongPoll, LongPolls
from tidings.errors import DiskError
from tidings.log.partition import Partition


class Synced:
    """As much of a partition as a sync needs."""

    path = "orders-0"

    def __init__(self, error: Exception | None = None, *, has_unsynced_segments: bool = False) -> None:
        self.error = error
        self.has_unsynced_segments = has_unsynced_segments
        self.threads: list[threading.Thread] = []

    def sync(self) -> None:
        self.threads.append(threading.current_thread())
        if self.error is not None:
            raise self.error


class Waiting:
    """One who settles, and what it is told."""

    def __init__(self, partition: Synced) -> None:
        self.partition = cast("Partition", partition)
        self.told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def settle(self, durability: Disk | PageCache, size_bytes: int = 1) -> None:
        durability.settle(self.partition, size_bytes, self.told.set_result)


def disk() -> tuple[Disk, LongPolls]:
    loop = asyncio.get_running_loop()
    polls = LongPolls(loop)
    return Disk(polls, loop), polls


async def test_one_who_waits_alone_is_synced_on_the_event_loop_while_the_disk_is_fast() -> None:
    durability, _ = disk()
    partition = Synced()
    one = Waiting(partition)
    one.settle(durability)
    assert not one.told.done()  # others may come in the same turn of the loop
    assert await one.told is None
    assert partition.threads == [threading.current_thread()]
    await durability.close()


async def test_those_who_wait_together_share_a_sync_in_another_thread() -> None:
    durability, _ = disk()
    partition = Synced()
    several = [Waiting(partition) for _ in range(5)]
    for one in several:
        one.settle(durability)
    assert [await one.told for one in several] == [None] * 5
    assert threading.current_thread() not in partition.threads
    assert len(partition.threads) <= 2
    await durability.close()


async def test_on_a_slow_disk_nobody_is_synced_on_the_event_loop() -> None:
    durability, _ = disk()
    durability._commit.sync_ms = INLINE_SYNC_MS_MAX
    partition = Synced()
    one = Waiting(partition)
    one.settle(durability)
    assert await one.told is None
    assert threading.current_thread() not in partition.threads
    await durability.close()


async def test_a_sync_that_fails_tells_everyone_who_waits_for_it_and_wakes_the_fetches_to_look_again() -> None:
    durability, polls = disk()
    error = DiskError("gone")
    partition = Synced(error)
    woken = asyncio.Event()
    polls.wait(LongPoll([cast("Partition", partition)], 1000, woken.set), 60_000)
    several = [Waiting(partition) for _ in range(2)]
    for one in several:
        one.settle(durability)
    assert [await one.told for one in several] == [error, error]
    await woken.wait()
    await durability.close()


async def test_what_waits_when_it_closes_is_settled() -> None:
    durability, _ = disk()
    one, other = Waiting(Synced()), Waiting(Synced())
    one.settle(durability)
    other.settle(durability)
    await durability.close()
    assert await one.told is None
    assert await other.told is None


async def test_the_page_cache_settles_at_once_and_syncs_nothing() -> None:
    polls = LongPolls(asyncio.get_running_loop())
    partition = Synced()
    one = Waiting(partition)
    one.settle(PageCache(polls, asyncio.get_running_loop()))
    assert one.told.done()
    assert partition.threads == []


async def test_with_the_page_cache_a_segment_that_has_ended_is_synced_and_nobody_waits() -> None:
    loop = asyncio.get_running_loop()
    durability = PageCache(LongPolls(loop), loop)
    partition = Synced(has_unsynced_segments=True)
    several = [Waiting(partition) for _ in range(5)]
    for one in several:
        one.settle(durability)
        assert one.told.done()
    await durability.close()
    assert len(partition.threads) == 1
    assert partition.threads != [threading.current_thread()]


async def test_a_fetch_is_woken_when_its_bytes_have_come_from_whichever_of_its_partitions() -> None:
    polls = LongPolls(asyncio.get_running_loop())
    first, second, other = (cast("Partition", Synced()) for _ in range(3))
    woken = asyncio.Event()
    polls.wait(LongPoll([first, second], 100, woken.set), 60_000)
    polls.grew(other, 1000)
    polls.grew(first, 60)
    polls.grew(second, 39)
    assert len(polls) == 1
    polls.grew(first, 1)
    assert len(polls) == 0
    await woken.wait()
