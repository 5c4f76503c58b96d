"""Group commit. Threads are told when to go on; nothing waits for time to pass."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from tidings.errors import DiskError
from tidings.log.sync import GroupCommit

PATIENCE_S = 30  # only a failing test waits that long


class SlowDisk:
    """Says when a sync has begun, and ends it when told to."""

    def __init__(self) -> None:
        self.begun: queue.Queue[None] = queue.Queue()
        self.ends: queue.Queue[Exception | None] = queue.Queue()

    def sync(self) -> None:
        self.begun.put(None)
        failure = self.ends.get(timeout=PATIENCE_S)
        if failure is not None:
            raise failure


class Completions:
    """Collects who was told what, on the thread of the test."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()
        self.told: list[tuple[str, Exception | None]] = []

    def notify(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def done(self, name: str) -> Callable[[Exception | None], None]:
        return lambda failure: self.told.append((name, failure))

    def wait(self) -> None:
        self._calls.get(timeout=PATIENCE_S)()


@pytest.fixture
def completions() -> Completions:
    return Completions()


@pytest.fixture
def commit(completions: Completions) -> Iterator[GroupCommit]:
    commit = GroupCommit(completions.notify, workers=2)
    yield commit
    commit.close()


def test_those_who_ask_during_a_sync_share_the_next(commit: GroupCommit, completions: Completions) -> None:
    disk = SlowDisk()
    commit.request(disk, completions.done("first"))
    disk.begun.get(timeout=PATIENCE_S)
    for name in ("second", "third"):
        commit.request(disk, completions.done(name))
    disk.ends.put(None)
    completions.wait()
    assert completions.told == [("first", None)]
    disk.ends.put(None)
    completions.wait()
    assert completions.told == [("first", None), ("second", None), ("third", None)]


def test_a_failure_reaches_exactly_those_it_concerns(commit: GroupCommit, completions: Completions) -> None:
    broken, sound = SlowDisk(), SlowDisk()
    failure = DiskError("no")
    broken.ends.put(failure)
    commit.request(broken, completions.done("broken"))
    completions.wait()
    sound.ends.put(None)
    commit.request(sound, completions.done("sound"))
    completions.wait()
    assert completions.told == [("broken", failure), ("sound", None)]


def test_one_slow_partition_does_not_hold_up_another(commit: GroupCommit, completions: Completions) -> None:
    slow, quick = SlowDisk(), SlowDisk()
    commit.request(slow, completions.done("slow"))
    slow.begun.get(timeout=PATIENCE_S)
    quick.ends.put(None)
    commit.request(quick, completions.done("quick"))
    completions.wait()
    assert completions.told == [("quick", None)]
    slow.ends.put(None)
    completions.wait()


def test_it_is_idle_when_nobody_waits(commit: GroupCommit, completions: Completions) -> None:
    disk = SlowDisk()
    assert commit.is_idle
    commit.request(disk, completions.done("one"))
    disk.begun.get(timeout=PATIENCE_S)
    assert not commit.is_idle
    disk.ends.put(None)
    completions.wait()
    assert commit.is_idle


def test_closing_finishes_what_was_requested(completions: Completions) -> None:
    commit = GroupCommit(completions.notify, workers=3)
    disks = [SlowDisk() for _ in range(5)]
    for number, disk in enumerate(disks):
        disk.ends.put(None)
        disk.ends.put(None)
        commit.request(disk, completions.done(str(number)))
        commit.request(disk, completions.done(str(number)))
    threads_before = threading.active_count()
    commit.close()
    assert threading.active_count() <= threads_before
    while len(completions.told) < 10:
        completions.wait()
    with pytest.raises(RuntimeError):
        commit.request(disks[0], completions.done("late"))


def test_an_inline_sync_is_timed_and_raises(commit: GroupCommit) -> None:
    disk = SlowDisk()
    disk.ends.put(DiskError("no"))
    with pytest.raises(DiskError):
        commit.sync_inline(disk)
    disk.ends.put(None)
    commit.sync_inline(disk)
    assert commit.sync_ms > 0
