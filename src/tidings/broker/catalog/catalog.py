"""Topics, partitions and settings, kept as records in a log of their own, and the partitions' logs that are open.

Changes come one after another: checked and planned against the state as it is, written, synced, and only then made.
The disk is waited for in a thread; the state itself changes on the event loop, and never while a reader looks at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tidings.broker.catalog.catalog_state import CatalogState, ResourceType
from tidings.broker.catalog.data_folder import new_id
from tidings.broker.catalog.metadata_log import MetadataLog
from tidings.broker.catalog.partition_folders import PartitionFolders
from tidings.broker.catalog.topic import NewTopic, Replica, Topic
from tidings.broker.catalog.topic_names import CATALOG, check_collision, folded
from tidings.broker.clock import Clock
from tidings.broker.config import Durability
from tidings.broker.settings.group_configs import group_value
from tidings.broker.settings.resolved import Settings
from tidings.coordination.quotas.limits import QuotaLimits
from tidings.errors import DiskError
from tidings.log.config import LogConfig
from tidings.log.files import Files
from tidings.log.partition import Partition
from tidings.security.acl import AccessControl
from tidings.security.scram import Credentials
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.metadata_records import ProducerIdsRecord

log = logging.getLogger(__name__)

Alteration = Callable[[dict[str, str]], Mapping[str, str]]
"""Given the settings as they are, those to be: checked and in canonical form. Raises ApiError."""


CLOSED_AT_ONCE_MAX = 16
"""Partitions, when the broker stops. Each waits for the disk several times, a file system once for all of them."""

R = TypeVar("R")
Outcome = ApiError | None
"""Of one thing that was asked for: what is wrong with it, if anything."""


class Catalog:
    """`deleted` is called for each topic that was removed, before its logs are closed."""

    def __init__(
        self,
        files: Files,
        root: str,
        settings: Settings,
        clock: Clock,
        access: AccessControl | None = None,
        *,
        node_id: int = 1,
        clean: bool = True,
        durability: Durability = "fsync",
        make_id: Callable[[], bytes] = new_id,
    ) -> None:
        """Replay the log, remove what a cut left behind; after an unclean stop, verify every partition.

        Raises DiskError if the log cannot be read, OperatorError if a newer version wrote it.
        """
        self.deleted: list[Callable[[Topic], None]] = []
        self._files = files
        self._clock = clock
        self._clean = clean
        self._durability: Durability = durability
        self._make_id = make_id
        self._state = CatalogState(node_id, settings, AccessControl() if access is None else access)
        self._folders = PartitionFolders(files, root, self._state.removed_ids, make_id)
        self._log = MetadataLog(files, f"{root}/{CATALOG}-0", now_ms=clock.now_ms(), clean=clean)
        self._changing = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        for record in self._log.read():
            self._state.replay(record)
        self._folders.sweep({(CATALOG, 0)} | {(topic.name, replica.index) for topic, replica in self.replicas()})
        if not clean:
            self._verify_all()

    # What there is.

    @property
    def topics(self) -> Mapping[str, Topic]:
        return self._state.topics

    @property
    def revision(self) -> int:
        """Rises with every topic that is created, grows or is deleted."""
        return self._state.revision

    @property
    def end_offset(self) -> int:
        """Of the log in which all this is kept."""
        return self._log.end_offset

    @property
    def settings(self) -> Settings:
        return self._state.settings

    @property
    def groups(self) -> Mapping[str, Mapping[str, str]]:
        """The settings that groups have of their own."""
        return self._state.groups

    @property
    def client_metrics(self) -> Mapping[str, Mapping[str, str]]:
        """What each subscription to clients' metrics says."""
        return self._state.client_metrics

    def group_value(self, name: str, group_id: str) -> str:
        """What holds for a group, whether it exists or not."""
        return group_value(name, self._state.groups.get(group_id, {}))

    @property
    def scram(self) -> Credentials:
        """What is kept of users' passwords."""
        return self._state.scram

    @property
    def quotas(self) -> QuotaLimits:
        return self._state.quotas

    @property
    def producer_ids(self) -> ProducerIdsRecord | None:
        """The last one written."""
        return self._state.producer_ids

    def topic(self, name: str) -> Topic:
        """Raises ApiError UNKNOWN_TOPIC_OR_PARTITION."""
        return self._state.topic(name)

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        return self._state.topic_by_id(topic_id)

    def replicas(self) -> Iterator[tuple[Topic, Replica]]:
        for topic in self._state.topics.values():
            for replica in topic.partitions:
                yield topic, replica

    def open_partitions(self) -> list[Partition]:
        """Those in use since the start."""
        return [replica.log for _, replica in self.replicas() if replica.log is not None]

    def partition(self, name: str, index: int) -> Partition:
        """The log of a partition, opened if need be.

        Raises ApiError UNKNOWN_TOPIC_OR_PARTITION, and KAFKA_STORAGE_ERROR if it is offline.
        """
        topic = self._state.topics.get(name)
        if topic is None:
            raise _no_partition(name, index)
        return self.log_of(topic, index)

    def log_of(self, topic: Topic, index: int) -> Partition:
        """The same, of a topic that was found."""
        if not 0 <= index < len(topic.partitions):
            raise _no_partition(topic.name, index)
        replica = topic.partitions[index]
        return replica.log or self._open(topic, replica)

    def is_used(self, topic: Topic, replica: Replica) -> bool:
        """Whether a partition may hold records. If not, there is no need to open it."""
        return replica.log is not None or self._folders.is_claimed(topic.name, replica.index)

    # What changes it.

    def check(self, new: NewTopic) -> None:
        """Whether a topic could be created. Raises ApiError."""
        self._state.check_topic(new)

    async def create(self, wanted: Sequence[NewTopic]) -> list[Topic | ApiError]:
        """Create topics; for each the topic, or why it could not be. What is returned is on the disk."""
        return await self._to_the_end(self._create(wanted))

    async def add_partitions(self, name: str, count: int, *, validate_only: bool = False) -> None:
        """Let a topic have `count` partitions. Raises ApiError."""
        await self._to_the_end(self._add_partitions(name, count, validate_only))

    async def delete(self, doomed: Sequence[Topic]) -> list[ApiError | None]:
        """Delete topics, each named once; for each None, or why it could not be."""
        return await self._to_the_end(self._delete(doomed))

    async def alter_topic(self, name: str, alter: Alteration, *, validate_only: bool = False) -> None:
        """Change a topic's own settings. Raises ApiError."""
        await self._to_the_end(self._alter_topic(name, alter, validate_only))

    async def alter_broker(self, name: str, alter: Alteration, *, validate_only: bool = False) -> None:
        """Change the dynamic settings of the broker `name`, or of all (''). Raises ApiError."""
        await self._to_the_end(self._alter_broker(name, alter, validate_only))

    async def alter_group(self, name: str, alter: Alteration, *, validate_only: bool = False) -> None:
        """Change a group's own settings. Raises ApiError."""
        await self._to_the_end(self._alter_named(ResourceType.GROUP, name, alter, validate_only))

    async def alter_client_metrics(self, name: str, alter: Alteration, *, validate_only: bool = False) -> None:
        """Change a subscription to clients' metrics. Raises ApiError."""
        await self._to_the_end(self._alter_named(ResourceType.CLIENT_METRICS, name, alter, validate_only))

    async def write(self, records: Sequence[Message]) -> None:
        """Keep records that others planned (producer ids, quotas). Raises DiskError."""
        await self._to_the_end(self._write_alone(records))

    async def plan(self, planned: Callable[[], Sequence[Message]]) -> None:
        """As `write`; the records are planned when it is their turn, so that no other change comes in between."""
        await self._to_the_end(self._write_planned(planned))

    async def internal_log(self, name: str) -> Partition:
        """The log of a coordinator, created when it is first needed. Raises ApiError."""
        if name not in self._state.topics:
            (outcome,) = await self.create([NewTopic(name, 1)])
            if isinstance(outcome, ApiError) and outcome.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                raise outcome
        return self.partition(name, 0)

    async def finish(self) -> None:
        """Return when no change is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def close(self) -> bool:
        """Close every log; whether all is in order, so that the next start may trust it."""
        in_order = not any(replica.is_offline for _, replica in self.replicas()) and not self._log.is_offline
        names = {replica.log: f"{topic.name}-{replica.index}" for topic, replica in self.replicas() if replica.log}
        with ThreadPoolExecutor(CLOSED_AT_ONCE_MAX, "close") as side_by_side:
            in_order &= all(list(side_by_side.map(_closed, names, names.values())))
        return in_order & _closed(self._log, CATALOG)

    # How.

    async def _to_the_end(self, change: Coroutine[Any, Any, R]) -> R:
        """A change that has begun is made, even if whoever asked for it hangs up."""
        task = asyncio.create_task(change)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has it, or does not care any more

    async def _create(self, wanted: Sequence[NewTopic]) -> list[Topic | ApiError]:
        async with self._changing:
            changes, folders, outcomes = self._plan_topics(wanted)
            if changes:
                try:
                    await asyncio.to_thread(self._folders.make, folders)
                    await self._write(changes)
                except DiskError as error:
                    log.error("topics could not be created: %s", error)
                    return [outcome or _storage_error(error) for outcome in outcomes]
            return [outcome or self._state.topics[new.name] for new, outcome in zip(wanted, outcomes, strict=True)]

    async def _add_partitions(self, name: str, count: int, validate_only: bool) -> None:
        async with self._changing:
            topic = self._state.topic(name)
            changes = self._state.plan_partitions(topic, count)
            if validate_only:
                return
            try:
                folders = [(name, index, topic.id) for index in range(len(topic.partitions), count)]
                await asyncio.to_thread(self._folders.make, folders)
                await self._write(changes)
            except DiskError as error:
                raise _storage_error(error) from error

    async def _delete(self, doomed: Sequence[Topic]) -> list[ApiError | None]:
        async with self._changing:
            changes: list[Message] = []
            outcomes: list[Outcome] = []
            for topic in doomed:
                try:
                    changes += self._state.plan_removal(topic)
                    outcomes.append(None)
                except ApiError as error:
                    outcomes.append(error)
            if not changes:
                return outcomes
            try:
                await self._write(changes)
            except DiskError as error:
                return [outcome or _storage_error(error) for outcome in outcomes]
            removed = [topic for topic, outcome in zip(doomed, outcomes, strict=True) if outcome is None]
            for topic in removed:
                for react in self.deleted:
                    react(topic)
            await asyncio.to_thread(self._let_go, removed)
            return outcomes

    async def _alter_topic(self, name: str, alter: Alteration, validate_only: bool) -> None:
        async with self._changing:
            topic = self._state.topic(name)
            wanted = alter(dict(topic.configs))
            changes = self._state.plan_configs(ResourceType.TOPIC, name, topic.configs, wanted)
            await self._write_configs(changes, validate_only)

    async def _alter_broker(self, name: str, alter: Alteration, validate_only: bool) -> None:
        async with self._changing:
            current = self._state.settings.dynamic.get(name, {})
            changes = self._state.plan_configs(ResourceType.BROKER, name, current, alter(dict(current)))
            await self._write_configs(changes, validate_only)

    async def _alter_named(self, kind: ResourceType, name: str, alter: Alteration, validate_only: bool) -> None:
        async with self._changing:
            all_of_kind = self._state.groups if kind is ResourceType.GROUP else self._state.client_metrics
            current = all_of_kind.get(name, {})
            changes = self._state.plan_configs(kind, name, current, alter(dict(current)))
            await self._write_configs(changes, validate_only)

    async def _write_alone(self, records: Sequence[Message]) -> None:
        async with self._changing:
            await self._write(records)

    async def _write_planned(self, planned: Callable[[], Sequence[Message]]) -> None:
        async with self._changing:
            records = planned()
            if records:
                await self._write(records)

    def _plan_topics(
        self, wanted: Sequence[NewTopic]
    ) -> tuple[list[Message], list[tuple[str, int, bytes]], list[Outcome]]:
        """The records and the folders that are needed; why a topic cannot be had, or None."""
        changes: list[Message] = []
        folders: list[tuple[str, int, bytes]] = []
        outcomes: list[Outcome] = []
        taken: dict[str, list[str]] = {}
        for new in wanted:
            topic_id = self._make_id()
            try:
                records = self._state.plan_topic(new, topic_id, len(folders))
                check_collision(new.name, taken.get(folded(new.name), ()))
            except ApiError as error:
                outcomes.append(error)
                continue
            taken[folded(new.name)] = [new.name]
            changes += records
            folders += [(new.name, index, topic_id) for index in range(new.partition_count)]
            outcomes.append(None)
        return changes, folders, outcomes

    async def _write(self, changes: Sequence[Message]) -> None:
        """Change the state, once the change is on the disk. Raises DiskError; nothing has changed then."""
        await asyncio.to_thread(self._log.append, changes, now_ms=self._clock.now_ms())
        for record in changes:
            self._state.replay(record)

    async def _write_configs(self, changes: Sequence[Message], validate_only: bool) -> None:
        if validate_only or not changes:
            return
        try:
            await self._write(changes)
        except DiskError as error:
            raise _storage_error(error) from error
        for topic, replica in self.replicas():
            if replica.log is not None:
                replica.log.config = self._log_config(topic)

    def _log_config(self, topic: Topic) -> LogConfig:
        return LogConfig.from_topic(self.settings.topic_values(topic.configs))

    def _open(self, topic: Topic, replica: Replica) -> Partition:
        """Raises ApiError KAFKA_STORAGE_ERROR, now and from then on, if it cannot be opened."""
        if replica.fault is None:
            try:
                path = self._folders.claim(topic.name, replica.index, topic.id)
                replica.log = Partition.open(
                    self._files,
                    path,
                    self._log_config(topic),
                    now_ms=self._clock.now_ms(),
                    clean=self._clean,
                    durability=self._durability,
                    leader_epoch=replica.leader_epoch,
                )
                return replica.log
            except DiskError as error:
                replica.fault = str(error)
                log.error("partition %s-%d is offline: %s", topic.name, replica.index, error)
        raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, f"{topic.name}-{replica.index} is offline: {replica.fault}")

    def _verify_all(self) -> None:
        """What has never been used has nothing to verify."""
        for topic, replica in self.replicas():
            if self._folders.is_claimed(topic.name, replica.index):
                with contextlib.suppress(ApiError):
                    self._open(topic, replica)

    def _let_go(self, removed: Sequence[Topic]) -> None:
        """Close and remove what belonged to topics that are gone."""
        for topic in removed:
            for replica in topic.partitions:
                if replica.log is not None:
                    replica.log.close(clean=False)
        self._folders.discard([(topic.name, replica.index) for topic in removed for replica in topic.partitions])


def _no_partition(name: str, index: int) -> ApiError:
    return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {name}-{index}.")


def _storage_error(error: DiskError) -> ApiError:
    return ApiError(ErrorCode.KAFKA_STORAGE_ERROR, f"the catalog could not be written: {error}")


def _closed(opened: Partition | MetadataLog, name: str) -> bool:
    try:
        opened.close(clean=True)
    except DiskError as error:
        log.error("%s was not closed in order: %s", name, error)
        return False
    return True
