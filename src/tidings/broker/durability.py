"""What an acknowledgement waits for: the disk (`fsync`, shared by all who wait) or nothing (`os`).

Whoever appends to a partition settles it here, and replies in `done`. Nothing is shown to consumers before that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from tidings.broker.requests.long_polls import LongPolls
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.log.sync import GroupCommit, Syncs

log = logging.getLogger(__name__)

INLINE_SYNC_MS_MAX = 1.0
"""While syncs take less than this, one that nobody shares is done on the event loop."""

SYNC_PAUSE_S = 1.0
"""From one sync that nobody waits for to the next one of the same partition, at the least."""

Done = Callable[[Exception | None], None]
"""Called once, on the event loop: with None when what was appended is safe, else with why it is not."""


class Durability(Protocol):
    def settle(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        """Call `done` when everything appended to `partition` up to now is as safe as the operator asked for.

        It may be called before this returns. Fetches that wait for the partition are woken first; `appended_bytes`,
        the size of what the caller appended, counts towards their `min_bytes`.
        """
        ...

    def syncs(self) -> Syncs:
        """Those that were done since the start."""
        ...

    async def close(self) -> None:
        """Returns when all that was to be settled is, though some `done` may be called a moment later."""
        ...


class PageCache:
    """`os`: what was written is readable and acknowledged at once. A power cut may take back the last seconds.

    A segment that has ended is synced in a worker thread, for which nobody waits: no crash makes it be verified then.
    """

    def __init__(self, long_polls: LongPolls, loop: asyncio.AbstractEventLoop) -> None:
        self._long_polls = long_polls
        self._loop = loop
        self._commit = GroupCommit(loop.call_soon_threadsafe, workers=1)
        self._syncing: set[Partition] = set()  # and those just synced

    def settle(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        self._long_polls.grew(partition, appended_bytes)
        done(None)
        if partition.has_unsynced_segments and partition not in self._syncing:
            self._syncing.add(partition)
            self._commit.request(partition, partial(self._on_synced, partition))

    def syncs(self) -> Syncs:
        return self._commit.syncs

    async def close(self) -> None:
        await asyncio.to_thread(self._commit.close)

    def _on_synced(self, partition: Partition, error: Exception | None) -> None:
        self._loop.call_later(SYNC_PAUSE_S, self._syncing.discard, partition)
        if isinstance(error, DiskError):
            log.error("%s is offline: %s", partition.path, error)


class Disk:
    """`fsync`: acknowledged means on disk. One sync covers all who wait for the same file.

    Syncs run in a worker thread, which the loop and the other clients need not wait for. But handing over costs more
    than a fast disk's sync: a single request is synced in place as long as syncs are fast.
    """

    def __init__(self, long_polls: LongPolls, loop: asyncio.AbstractEventLoop) -> None:
        self._long_polls = long_polls
        self._loop = loop
        self._commit = GroupCommit(loop.call_soon_threadsafe)
        self._unsent: list[tuple[Partition, int, Done]] = []

    def settle(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        if not self._unsent:
            self._loop.call_soon(self._send)  # after all else that came with the same look at the sockets
        self._unsent.append((partition, appended_bytes, done))

    def syncs(self) -> Syncs:
        return self._commit.syncs

    async def close(self) -> None:
        self._send()
        await asyncio.to_thread(self._commit.close)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        commit = self._commit
        if len(unsent) == 1 and commit.is_idle and commit.sync_ms < INLINE_SYNC_MS_MAX:
            self._sync_here(*unsent[0])
            return
        for partition, appended_bytes, done in unsent:
            commit.request(partition, partial(self._on_synced, partition, appended_bytes, done))

    def _sync_here(self, partition: Partition, appended_bytes: int, done: Done) -> None:
        try:
            self._commit.sync_inline(partition)
        except Exception as error:
            self._on_synced(partition, appended_bytes, done, error)
        else:
            self._on_synced(partition, appended_bytes, done, None)

    def _on_synced(self, partition: Partition, appended_bytes: int, done: Done, error: Exception | None) -> None:
        if error is None:
            self._long_polls.grew(partition, appended_bytes)
        else:
            self._long_polls.interrupt(partition)
        try:
            done(error)
        except Exception:
            log.exception("what waited for a sync failed")
