"""The share partitions that are in use: one for each group and partition, loaded when somebody first fetches it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tidings.broker.shares.partition import LivePartition
from tidings.broker.shares.sessions import ShareSession
from tidings.coordination.share_partition.acknowledgements import Kind

if TYPE_CHECKING:
    from tidings.broker.catalog.topic import Topic
    from tidings.broker.server import Broker

Key = tuple[str, bytes, int]
"""Group, topic id, partition."""


class SharePartitions:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._live: dict[Key, LivePartition] = {}
        self._loading: dict[Key, asyncio.Task[LivePartition]] = {}
        self.acknowledged = dict.fromkeys(Kind, 0)  # records, since the start

    def __iter__(self) -> Iterator[LivePartition]:
        return iter(list(self._live.values()))

    def get(self, group_id: str, topic_id: bytes, index: int) -> LivePartition | None:
        """The one that is in use."""
        return self._live.get((group_id, topic_id, index))

    async def load(self, group_id: str, topic_id: bytes, index: int) -> LivePartition:
        """The one that is in use, or what is kept of it. Raises ApiError, DiskError."""
        key = group_id, topic_id, index
        live = self._live.get(key)
        if live is not None:
            return live
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.ensure_future(LivePartition.load(self._broker, *key))
            self._loading[key] = loading
            loading.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(loading)  # others may wait for it too

    def _loaded(self, key: Key, done: asyncio.Task[LivePartition]) -> None:
        is_wanted = self._loading.get(key) is done
        if is_wanted:
            del self._loading[key]
        if done.cancelled() or done.exception() is not None:
            return
        if is_wanted:
            self._live[key] = done.result()
        else:
            done.result().end()

    def forget(self, group_id: str, topic_id: bytes, index: int | None = None) -> None:
        """What is kept has changed, or is gone: of one partition, or of all of the topic."""
        self._forget(lambda key: key[:2] == (group_id, topic_id) and index in (None, key[2]))

    def forget_group(self, group_id: str) -> None:
        self._forget(lambda key: key[0] == group_id)

    def forget_topic(self, topic: Topic) -> None:
        self._forget(lambda key: key[1] == topic.id)

    def session_ended(self, session: ShareSession) -> None:
        """Give what the member had to others. Of a group that nobody fetches for, nothing needs to be in memory."""
        if self._broker.is_closing:
            return  # after it nobody has anything
        for key, live in list(self._live.items()):
            if key[0] == session.group_id:
                live.release(session.member_id)
        if not self._broker.share_sessions.members(session.group_id):
            self.forget_group(session.group_id)

    def close(self) -> None:
        self._forget(lambda key: True)

    def _forget(self, is_meant: Callable[[Key], bool]) -> None:
        for key in [key for key in self._live if is_meant(key)]:
            self._live.pop(key).end()
        for key in [key for key in self._loading if is_meant(key)]:
            del self._loading[key]
